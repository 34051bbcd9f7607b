// SPDX-License-Identifier: Apache-2.0

// Package teams tells a Microsoft Teams channel or chat, by a workflow "when a Teams webhook request is
// received", one adaptive card for each event.
//
// Such a workflow cannot tell a message that it has had before: where an answer is lost, the card appears
// twice. See https://learn.microsoft.com/en-us/microsoftteams/platform/webhooks-and-connectors/how-to/connectors-using.
package teams
