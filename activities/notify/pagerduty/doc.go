// SPDX-License-Identifier: Apache-2.0

// Package pagerduty calls people, by PagerDuty's Events API v2.
//
// A wait and a bad end are two alerts of a release, each with its own dedup_key, so that no attempt makes a
// second one. The alert of a wait is resolved by whatever the release does next; that of a bad end stays until
// a person resolves it. Other events call nobody. See
// https://developer.pagerduty.com/docs/send-alert-event.
package pagerduty
