// SPDX-License-Identifier: Apache-2.0

// Package fakeslack is a Slack for tests: the methods of the Web API that Slipway uses, with their limits and errors;
// clicks, forms and slash commands that are signed and sent as Slack does; and Socket Mode. It goes wrong on request:
// slow, away, rate-limited, answering late or not at all, and sending everything twice.
//
// What Slack would refuse, it refuses: unknown tokens and channels, texts and values that are too long, triggers that
// are used twice or after 3 seconds, a sixth use of a response URL.
package fakeslack
