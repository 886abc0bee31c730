"""The command line `demand`, and the plain functions behind it. Nothing of it runs in Lambda."""
