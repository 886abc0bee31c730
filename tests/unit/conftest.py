from hypothesis import HealthCheck, settings

# The same examples in every run; deep items take long to draw on a busy machine, which is no defect.
settings.register_profile(
    "project", derandomize=True, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)
settings.load_profile("project")
