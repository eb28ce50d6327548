# The same queues as scripts/create_queues.py makes.

terraform {
  required_providers {
    aws = { source = "hashicorp/aws", version = ">= 5.0" }
  }
}

provider "aws" {
  region  = var.region
  profile = var.profile
}

data "aws_caller_identity" "owner" {}

resource "aws_sqs_queue" "dead" {
  for_each                  = var.queues
  name                      = "${each.value}-dead"
  message_retention_seconds = var.retention_seconds
  sqs_managed_sse_enabled   = true
}

resource "aws_sqs_queue" "queue" {
  for_each                   = var.queues
  name                       = each.value
  delay_seconds              = var.delay_seconds
  visibility_timeout_seconds = var.visibility_timeout
  message_retention_seconds  = var.retention_seconds
  sqs_managed_sse_enabled    = true
  redrive_policy = jsonencode({
    deadLetterTargetArn = aws_sqs_queue.dead[each.key].arn
    maxReceiveCount     = var.dead_after
  })
}

data "aws_iam_policy_document" "owners_account" {
  for_each = aws_sqs_queue.queue

  statement {
    sid       = "OwnersAccount"
    actions   = ["sqs:SendMessage", "sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes"]
    resources = [each.value.arn]
    principals {
      type        = "AWS"
      identifiers = ["arn:aws:iam::${data.aws_caller_identity.owner.account_id}:root"]
    }
  }

  statement {
    sid       = "NothingInTheClear"
    effect    = "Deny"
    actions   = ["sqs:*"]
    resources = [each.value.arn]
    principals {
      type        = "*"
      identifiers = ["*"]
    }
    condition {
      test     = "Bool"
      variable = "aws:SecureTransport"
      values   = ["false"]
    }
  }
}

resource "aws_sqs_queue_policy" "owners_account" {
  for_each  = aws_sqs_queue.queue
  queue_url = each.value.url
  policy    = data.aws_iam_policy_document.owners_account[each.key].json
}

output "queues" {
  value = { for name, queue in aws_sqs_queue.queue : name => queue.url }
}
