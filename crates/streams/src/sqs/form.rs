//! How SQS presents itself to whoever sets up a webhook.

use destination::about::{Confirmation, KindDescription, Signature, UrlField};

use crate::aws::{ACCESS_KEY, REGION, SECRET_KEY};
use crate::format::FORMAT;

/// What the pages, the API and the documents say about this kind.
pub static ABOUT: KindDescription = KindDescription {
    kind: "sqs",
    name: "Amazon SQS",
    summary: "Each event as a message of a queue; in order for each incident if it is a FIFO queue.",
    url: UrlField::Open {
        placeholder: "https://sqs.eu-central-1.amazonaws.com/123456789012/incidents.fifo",
        hint: "The queue's URL, as its page in the console shows it.",
    },
    fields: &[ACCESS_KEY, SECRET_KEY, REGION, FORMAT],
    steps: &[
        "In the SQS console, create a queue of type FIFO, and copy its URL into URL.",
        "In IAM, create a user whose only permission is sqs:SendMessage on that queue's ARN.",
        "If the queue is encrypted with a KMS key of yours, add kms:GenerateDataKey and kms:Decrypt on that key.",
        "Create an access key for the user, and put its two parts into Access key ID and Secret access key.",
        "Send a test, and poll for messages in the console.",
    ],
    signature: Signature::None,
    confirmation: Confirmation::Taken,
};
