SELECT set_config('statement_timeout', :statement, false),
       set_config('lock_timeout', :lock, false),
       set_config('idle_in_transaction_session_timeout', :idle, false);
