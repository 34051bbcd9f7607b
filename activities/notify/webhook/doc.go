// SPDX-License-Identifier: Apache-2.0

// Package webhook tells an address of your own, signed as Standard Webhooks asks for.
//
// Header webhook-id is the message's key, the same for every attempt: a receiver that remembers it shows
// nothing twice. webhook-timestamp is the time of the attempt, webhook-signature the HMAC-SHA256 of both and
// the body. See https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md.
package webhook
