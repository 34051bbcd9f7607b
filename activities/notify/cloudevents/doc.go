// SPDX-License-Identifier: Apache-2.0

// Package cloudevents tells an event broker, by CloudEvents 1.0 over HTTP in structured mode: the ID is the
// message's key, so that source and ID together name an event once, as the specification asks for. See
// https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/bindings/http-protocol-binding.md.
package cloudevents
