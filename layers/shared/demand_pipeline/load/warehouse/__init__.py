"""The warehouse as a load finds it: schema and control tables, locks and their holders, tables that runs leave."""
