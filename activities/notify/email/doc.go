// SPDX-License-Identifier: Apache-2.0

// Package email tells people by mail, one for each event, the mails of a release in one thread.
//
// The Message-ID is made of the message's key and is the same for every attempt: mail programs and most
// servers show a second copy only once. A server that answers 4xx is tried again, 5xx is final.
package email
