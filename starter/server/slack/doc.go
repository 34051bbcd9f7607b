// SPDX-License-Identifier: Apache-2.0

// Package slack shows releases in Slack and brings back what people decide there.
//
// One message per release is kept up to date, its thread has the story, and its buttons approve, reject, pause,
// resume and abort. A click is verified (HTTP: Slack's v0 signature; Socket Mode: the app's token), acknowledged, and
// only then worked on: the person is looked up at that moment, and what they decided is signed and handed to the
// release by client.Decide. Buttons say what was looked at; they are no authority.
//
// It asks Temporal how releases are, and nobody tells it: a release does not know that Slack exists, and a Slack that
// is slow or away can neither delay nor double one. It keeps nothing: after a restart it finds its messages by their
// metadata. Run one at a time.
package slack
