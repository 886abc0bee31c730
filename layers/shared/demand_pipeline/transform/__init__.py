"""Items into staged rows, by the data contract."""
