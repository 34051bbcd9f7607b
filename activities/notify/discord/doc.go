// SPDX-License-Identifier: Apache-2.0

// Package discord tells a Discord channel, by a webhook of it, one embed for each event.
//
// Discord cannot tell a message that it has had before: where an answer is lost, the message appears twice.
// See https://discord.com/developers/docs/resources/webhook#execute-webhook.
package discord
