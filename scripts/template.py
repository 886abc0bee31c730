"""Generates the regions of template.yaml that cogapp writes between two markers.

A region calls one of the functions here. Each function contains the common text of all tables or functions once.
"""

from collections.abc import Iterable
from string import Template
from textwrap import indent

from demand.cost import Settings
from demand_pipeline.builders import TABLES
from demand_pipeline.cures import PASSING
from demand_pipeline.tables import Table, camel_case
from scripts import dashboard


def source_parameters() -> str:
    """Return the group of parameters that name the source tables, as a list on one line."""
    return "Parameters: [" + ", ".join(f"{camel_case(table.source)}Table" for table in TABLES.values()) + "]"


def parameters() -> str:
    """Return one parameter per source table: its name."""
    return _each("""\
${Source}Table:
  Type: String
  Default: $source
  Description: Name of the DynamoDB table that is loaded into $table.
  AllowedPattern: ^[a-zA-Z0-9_.-]{3,255}$$
  ConstraintDescription: a DynamoDB table's name
""")


def substitutions() -> str:
    """Return the values of each table in the state machine's definition: its source and its function."""
    return _each("""\
${Source}TableArn: !Sub
  - arn:$${AWS::Partition}:dynamodb:$${AWS::Region}:$${Account}:table/$${${Source}Table}
  - Account: !If [IsOtherAccount, !Ref SourceAccountId, !Ref AWS::AccountId]
Transform${Table}Arn: !GetAtt Transform$Table.Arn
""")


def transform_arns() -> str:
    """Return the transform functions, as resources of a statement."""
    return _each("- !GetAtt Transform$Table.Arn\n")


def source_arns() -> str:
    """Return the source tables, as resources of a statement."""
    return _each("""\
- !Sub
  - arn:$${AWS::Partition}:dynamodb:$${AWS::Region}:$${Account}:table/$${${Source}Table}
  - Account: !If [IsOtherAccount, !Ref SourceAccountId, !Ref AWS::AccountId]
""")


def transforms() -> str:
    """Return a transform function per table, its log group, and a role that can access only this table's objects."""
    return _each("""\
Transform$Table:
  Type: AWS::Serverless::Function
  Properties:
    Description: Converts one raw chunk into staged rows of $table, and rejects for items that do not fit.
    CodeUri: functions/transform
    Role: !GetAtt Transform${Table}Role.Arn
    LoggingConfig: {LogGroup: !Ref Transform${Table}Logs}

Transform${Table}Logs:
  Type: AWS::Logs::LogGroup
  Properties:
    LogGroupName: !Sub /aws/lambda/$${AWS::StackName}/Transform$Table
    RetentionInDays: !Ref LogRetentionInDays

Transform${Table}Role:
  Type: AWS::IAM::Role
  Properties:
    PermissionsBoundary: !If [HasPermissionsBoundary, !Ref PermissionsBoundary, !Ref AWS::NoValue]
    AssumeRolePolicyDocument:
      Version: '2012-10-17'
      Statement:
        - {Effect: Allow, Principal: {Service: lambda.amazonaws.com}, Action: sts:AssumeRole}
    Policies:
      - PolicyName: Transform$Table
        PolicyDocument:
          Version: '2012-10-17'
          Statement:
            - Effect: Allow
              Action: s3:GetObject
              Resource: !Sub $${StagingBucket.Arn}/runs/*/raw/$table/*
            # Without this, S3 answers 403 for a missing chunk, not 404. GetObject has no prefix.
            - Effect: Allow
              Action: s3:ListBucket
              Resource: !GetAtt StagingBucket.Arn
              Condition: {StringLikeIfExists: {'s3:prefix': runs/*}}
            - Effect: Allow
              Action: [s3:PutObject, s3:AbortMultipartUpload]
              Resource:
                - !Sub $${StagingBucket.Arn}/runs/*/staged/$table/*
                - !Sub $${StagingBucket.Arn}/runs/*/rejects/$table/*
                - !Sub $${StagingBucket.Arn}/runs/*/drift/$table/*
            - Effect: Allow
              Action: [logs:CreateLogStream, logs:PutLogEvents]
              Resource: !GetAtt Transform${Table}Logs.Arn
            - {Effect: Allow, Action: [xray:PutTraceSegments, xray:PutTelemetryRecords], Resource: '*'}
            - !If
              - HasStagingKey
              - Effect: Allow
                Action: [kms:Decrypt, kms:GenerateDataKey]
                Resource: !Ref StagingKmsKeyArn
                Condition: {StringEquals: {'kms:ViaService': !Sub 's3.$${AWS::Region}.$${AWS::URLSuffix}'}}
              - !Ref AWS::NoValue
""")


def warehouse_settings() -> str:
    """Return network and environment of a function that connects to PostgreSQL with the policy WarehouseAccess."""
    return """\
VpcConfig: !If
  - IsInVpc
  - SubnetIds: !Split [',', !Ref SubnetIds]
    SecurityGroupIds: !Split [',', !Ref SecurityGroupIds]
  - !Ref AWS::NoValue
Environment:
  Variables:
    POSTGRES_HOST: !Ref PostgresHost
    POSTGRES_PORT: !Ref PostgresPort
    POSTGRES_DATABASE: !If [HasDatabase, !Ref PostgresDatabase, !Sub 'invoice-transactions-${Environment}-dw']
    POSTGRES_SCHEMA: !Ref PostgresSchema
    POSTGRES_SECRET_ARN: !Ref PostgresSecretArn
    POSTGRES_TLS_ROOT_SECRET_ARN: !Ref PostgresTlsRootSecretArn
"""


def alarms() -> str:
    """Return an alarm per table: no run has refreshed it for too long."""
    return _each("""\
NoSuccess${Table}Alarm:
  Type: AWS::CloudWatch::Alarm
  Properties:
    AlarmDescription: !Sub >-
      No run has refreshed $table for $${MaxHoursWithoutSuccess} hours. Analysts see old data.
      Runbook: $${RunbookUrl}#NoSuccess${Table}Alarm
    ActionsEnabled: !If [IsScheduled, true, false]
    Namespace: DemandPipeline
    MetricName: TableRefreshed
    Dimensions:
      - {Name: service, Value: demand-pipeline}
      - {Name: stack, Value: !Ref AWS::StackName}
      - {Name: table, Value: $table}
    Statistic: Sum
    Period: 3600
    EvaluationPeriods: !Ref MaxHoursWithoutSuccess
    ComparisonOperator: LessThanThreshold
    Threshold: 1
    # An hour without a load has no data point.
    TreatMissingData: breaching
    AlarmActions: [!Ref AlarmTopic]
""")


def drift_alarms() -> str:
    """Return an alarm per table: its source has changed."""
    text = "Attributes of $table are new, have vanished or have a different type since the previous run."
    return _each(_alarm("Drift${Table}", text, "AttributesDrifted", _OF_TABLE, "Sum"))


def shrink_alarms() -> str:
    """Return an alarm per table: a committed run has left it with far fewer rows."""
    text = "A committed run has left $table without rows, or with more than a fifth fewer rows than before."
    return _each(_alarm("Shrunk${Table}", text, "TableShrunk", _OF_TABLE, "Maximum"))


def throttle_alarms() -> str:
    """Return an alarm per function that a run calls: Lambda has throttled it for a quarter of an hour."""
    cause = "the account is out of concurrency. The run slows down."
    text = f"Lambda has throttled calls of this function for 15 minutes: {cause}"
    alarm = _alarm("Throttled${Function}", text, "Throttles", _OF_FUNCTION, "Sum", periods=3)
    return _each_function(dashboard.FUNCTIONS, alarm)


def slow_alarms() -> str:
    """Return an alarm per function that may run out of time: the others stop before their time limit."""
    text = "A call of this function has used five sixths of its time. If the tables grow, the load will soon fail."
    milliseconds = f"{Settings().usable_seconds * 1000 * 5 / 6:.0f}"  # of the time after which a call gives up
    alarm = _alarm("Slow${Function}", text, "Duration", _OF_FUNCTION, "Maximum", threshold=milliseconds)
    return _each_function(dashboard.LOADING, alarm)


def passing_errors() -> str:
    """The errors after which a run is redriven automatically, as a list of an event pattern."""
    return "".join(f"- {error}\n" for error in PASSING)


def dashboard_body() -> str:
    """Return the property with the dashboard's widgets, as text."""
    return "DashboardBody: !Sub |\n" + indent(dashboard.body(), "  ")


_OF_TABLE = """\
Namespace: DemandPipeline
    MetricName: {metric}
    Dimensions:
      - {{Name: service, Value: demand-pipeline}}
      - {{Name: stack, Value: !Ref AWS::StackName}}
      - {{Name: table, Value: $table}}"""
_OF_FUNCTION = """\
Namespace: AWS/Lambda
    MetricName: {metric}
    Dimensions:
      - {{Name: FunctionName, Value: !Ref $Function}}"""


def _alarm(  # noqa: PLR0913 - the properties in which these alarms differ
    name: str, text: str, metric: str, source: str, statistic: str, *, periods: int = 1, threshold: str = "0"
) -> str:
    """Return the text of an alarm that fires above a threshold, in periods of five minutes, where data exist."""
    return f"""\
{name}Alarm:
  Type: AWS::CloudWatch::Alarm
  Properties:
    AlarmDescription: !Sub >-
      {text}
      Runbook: $${{RunbookUrl}}#{name}Alarm
    {source.format(metric=metric)}
    Statistic: {statistic}
    Period: 300
    EvaluationPeriods: {periods}
    ComparisonOperator: GreaterThanThreshold
    Threshold: {threshold}
    TreatMissingData: notBreaching
    AlarmActions: [!Ref AlarmTopic]
"""


def _each(text: str) -> str:
    """Return the text for each table; an empty line separates resources."""
    between = "\n" if "  Type: AWS::" in text else ""
    return between.join(Template(text).substitute(_names(table)) for table in TABLES.values())


def _each_function(names: Iterable[str], text: str) -> str:
    return "\n".join(Template(text).substitute(Function=name) for name in names)


def _names(table: Table) -> dict[str, str]:
    return {
        "table": table.name,
        "Table": camel_case(table.name),
        "source": table.source,
        "Source": camel_case(table.source),
    }
