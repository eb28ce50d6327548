variable "profile" {
  type    = string
  default = null
}

variable "region" {
  type    = string
  default = "us-west-2"
}

variable "queues" {
  description = "The queues, by what travels through them."
  type        = map(string)
  default = {
    status  = "ades-pbs-maaphec-dev-001-wpst-jobs"
    metrics = "ades-pbs-maaphec-dev-001-metrics"
  }
}

variable "delay_seconds" {
  type    = number
  default = 0
}

variable "visibility_timeout" {
  type    = number
  default = 60
}

variable "retention_seconds" {
  type    = number
  default = 1209600
}

variable "dead_after" {
  description = "How often a message is taken and not deleted before it goes to the dead ones."
  type        = number
  default     = 10
}
