//! Kafka's error codes: their names, and whether the record may stand in the log all the same.

/// What a code says of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    /// It stands in the log: now, or since an earlier attempt.
    Taken,
    /// Another broker leads the partition by now: it is sent there under the same numbers, so that it stands once even if it
    /// stands already.
    Elsewhere,
    /// It does not: the brokers do not know the producer, or where it stands.
    ProducerLost,
    /// Nobody knows.
    Unknown,
    /// It does not, and will not as it is.
    Refused,
}

/// What a code says of a record.
pub(super) fn fate(code: i16) -> Fate {
    match code {
        0 | 46 => Fate::Taken,
        3 | 5 | 6 | 9 | 56 | 74 | 75 => Fate::Elsewhere,
        45 | 47 | 49 | 59 => Fate::ProducerLost,
        -1 | 7 | 13 | 20 => Fate::Unknown,
        _ => Fate::Refused,
    }
}

/// Whether a code says that the broker only has to get ready.
pub(super) fn is_starting(code: i16) -> bool {
    matches!(code, 14..=16)
}

/// A code as the status of an answer.
pub(super) fn status(code: i16) -> u16 {
    u16::try_from(code).unwrap_or(500)
}

/// A code as people write it: number and name.
pub(super) fn name(code: i16) -> String {
    let name = match code {
        -1 => "UNKNOWN_SERVER_ERROR",
        2 => "CORRUPT_MESSAGE",
        3 => "UNKNOWN_TOPIC_OR_PARTITION",
        5 => "LEADER_NOT_AVAILABLE",
        6 => "NOT_LEADER_OR_FOLLOWER",
        7 => "REQUEST_TIMED_OUT",
        9 => "REPLICA_NOT_AVAILABLE",
        10 => "MESSAGE_TOO_LARGE",
        13 => "NETWORK_EXCEPTION",
        14 => "COORDINATOR_LOAD_IN_PROGRESS",
        15 => "COORDINATOR_NOT_AVAILABLE",
        16 => "NOT_COORDINATOR",
        17 => "INVALID_TOPIC_EXCEPTION",
        18 => "RECORD_LIST_TOO_LARGE",
        19 => "NOT_ENOUGH_REPLICAS",
        20 => "NOT_ENOUGH_REPLICAS_AFTER_APPEND",
        29 => "TOPIC_AUTHORIZATION_FAILED",
        31 => "CLUSTER_AUTHORIZATION_FAILED",
        32 => "INVALID_TIMESTAMP",
        33 => "UNSUPPORTED_SASL_MECHANISM",
        34 => "ILLEGAL_SASL_STATE",
        35 => "UNSUPPORTED_VERSION",
        44 => "POLICY_VIOLATION",
        45 => "OUT_OF_ORDER_SEQUENCE_NUMBER",
        46 => "DUPLICATE_SEQUENCE_NUMBER",
        47 => "INVALID_PRODUCER_EPOCH",
        56 => "KAFKA_STORAGE_ERROR",
        58 => "SASL_AUTHENTICATION_FAILED",
        59 => "UNKNOWN_PRODUCER_ID",
        74 => "FENCED_LEADER_EPOCH",
        75 => "UNKNOWN_LEADER_EPOCH",
        87 => "INVALID_RECORD",
        89 => "THROTTLING_QUOTA_EXCEEDED",
        _ => "",
    };
    format!("{code} {name}").trim_end().to_owned()
}
