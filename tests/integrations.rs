//! What the definitions call, and what that asks of the role and of the rules for errors, as the Step Functions and the services' API
//! references have it. Whether a call exists and has its arguments is for the checks of `nightly-asl`.

/// One `Resource` without its pattern.
pub(crate) struct Integration {
    pub(crate) resource: &'static str,
    /// What the night's role must allow.
    pub(crate) actions: &'static [&'static str],
    /// Before the dot of every error that the service returns.
    pub(crate) error_prefix: &'static str,
    /// After the dot: the API's own exceptions, and those of the SDK that Step Functions calls it with.
    pub(crate) errors: &'static [&'static str],
}

impl Integration {
    /// The integration that a `Resource` names, and its pattern.
    pub(crate) fn of(resource: &str) -> Option<(&'static Self, &str)> {
        ALL.iter().find_map(|integration| {
            let pattern = resource.strip_prefix(integration.resource)?;
            (pattern.is_empty() || pattern.starts_with('.')).then_some((integration, pattern))
        })
    }
}

/// An optimized integration throws the generic exceptions of the SDK for Java 1 (`AWSGlueException`), an SDK integration those of the
/// SDK for Java 2 (`GlueException`).
pub(crate) const ALL: &[Integration] = &[
    Integration {
        resource: "glue:startJobRun",
        actions: &["glue:StartJobRun", "glue:GetJobRun", "glue:GetJobRuns", "glue:BatchStopJobRun"],
        error_prefix: "Glue",
        errors: &[
            "AWSGlueException",
            "ConcurrentRunsExceededException",
            "EntityNotFoundException",
            "InternalServiceException",
            "InvalidInputException",
            "OperationTimeoutException",
            "ResourceNumberLimitExceededException",
            "SdkClientException",
            "ThrottlingException",
        ],
    },
    Integration {
        resource: "lambda:invoke",
        actions: &["lambda:InvokeFunction"],
        error_prefix: "Lambda",
        errors: &[
            "AWSLambdaException",
            "ClientExecutionTimeoutException",
            "SdkClientException",
            "ServiceException",
            "TooManyRequestsException",
        ],
    },
    Integration { resource: "aws-sdk:glue:getTable", actions: &["glue:GetTable"], error_prefix: "Glue", errors: GLUE_SDK_ERRORS },
    Integration {
        resource: "aws-sdk:glue:createPartition",
        actions: &["glue:CreatePartition"],
        error_prefix: "Glue",
        errors: GLUE_SDK_ERRORS,
    },
    Integration {
        resource: "aws-sdk:glue:startDataQualityRulesetEvaluationRun",
        actions: &["glue:StartDataQualityRulesetEvaluationRun", "iam:PassRole"],
        error_prefix: "Glue",
        errors: GLUE_SDK_ERRORS,
    },
    Integration {
        resource: "aws-sdk:glue:getDataQualityRulesetEvaluationRun",
        actions: &["glue:GetDataQualityRulesetEvaluationRun"],
        error_prefix: "Glue",
        errors: GLUE_SDK_ERRORS,
    },
    Integration {
        resource: "aws-sdk:glue:getDataQualityResult",
        actions: &["glue:GetDataQualityResult"],
        error_prefix: "Glue",
        errors: GLUE_SDK_ERRORS,
    },
    Integration { resource: "dynamodb:updateItem", actions: &["dynamodb:UpdateItem"], error_prefix: "DynamoDB", errors: DYNAMODB_ERRORS },
    Integration { resource: "dynamodb:getItem", actions: &["dynamodb:GetItem"], error_prefix: "DynamoDB", errors: DYNAMODB_ERRORS },
    Integration {
        resource: "aws-sdk:sfn:describeExecution",
        actions: &["states:DescribeExecution"],
        error_prefix: "Sfn",
        errors: &["ExecutionDoesNotExistException", "InvalidArnException", "SdkClientException", "SfnException"],
    },
    Integration {
        resource: "states:startExecution",
        actions: &[
            "states:StartExecution",
            "states:DescribeExecution",
            "states:StopExecution",
            "events:PutTargets",
            "events:PutRule",
            "events:DescribeRule",
        ],
        error_prefix: "StepFunctions",
        errors: &["AWSStepFunctionsException", "ExecutionAlreadyExistsException", "ExecutionLimitExceededException", "SdkClientException"],
    },
    Integration {
        resource: "athena:startQueryExecution",
        actions: &["athena:StartQueryExecution", "athena:StopQueryExecution", "athena:GetQueryExecution", "athena:GetDataCatalog"],
        error_prefix: "Athena",
        errors: ATHENA_ERRORS,
    },
    Integration { resource: "athena:getQueryResults", actions: &["athena:GetQueryResults"], error_prefix: "Athena", errors: ATHENA_ERRORS },
    Integration {
        resource: "aws-sdk:s3:getObject",
        actions: &["s3:GetObject"],
        error_prefix: "S3",
        errors: &["InvalidObjectStateException", "NoSuchKeyException", "S3Exception", "SdkClientException"],
    },
    Integration {
        resource: "sns:publish",
        actions: &["sns:Publish"],
        error_prefix: "SNS",
        errors: &["AmazonSNSException", "NotFoundException", "SdkClientException"],
    },
    Integration {
        resource: "sqs:sendMessage",
        actions: &["sqs:SendMessage"],
        error_prefix: "SQS",
        errors: &["AmazonSQSException", "SdkClientException"],
    },
];

const GLUE_SDK_ERRORS: &[&str] = &[
    "AlreadyExistsException",
    "EntityNotFoundException",
    "GlueException",
    "InternalServiceException",
    "InvalidInputException",
    "OperationTimeoutException",
    "ResourceNumberLimitExceededException",
    "SdkClientException",
    "ThrottlingException",
];

const DYNAMODB_ERRORS: &[&str] = &[
    "AmazonDynamoDBException",
    "ConditionalCheckFailedException",
    "InternalServerErrorException",
    "ProvisionedThroughputExceededException",
    "RequestLimitExceededException",
    "SdkClientException",
    "ThrottlingException",
];

const ATHENA_ERRORS: &[&str] =
    &["AmazonAthenaException", "InternalServerException", "InvalidRequestException", "SdkClientException", "TooManyRequestsException"];

/// Error names that Step Functions itself gives to a Task, and Lambda's for a function that ran out of time or crashed.
pub(crate) const RESERVED_ERRORS: &[&str] = &[
    "States.ALL",
    "States.TaskFailed",
    "States.Timeout",
    "States.HeartbeatTimeout",
    "States.Permissions",
    "Sandbox.Timedout",
    "Runtime.ExitError",
];
