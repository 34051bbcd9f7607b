// SPDX-License-Identifier: Apache-2.0

package body

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"

	"github.com/slipwayhq/slipway/starter/server/sender"
)

// Max of a body in bytes.
const Max = 64 << 10

// StartRequest asks for a release.
type StartRequest struct {
	// Service as "environment/name".
	Service string `json:"service"`
	// Image by its digest, or by a tag, whose digest is then looked up once. A CI job whose trigger makes the
	// tag itself leaves it out.
	Image string `json:"image,omitempty"`
	// Hotfix goes before everything that waits; what runs is undone.
	Hotfix bool `json:"hotfix,omitempty"`
	// Override says why an image in quarantine, or a release in the cool-down, is good now.
	Override string `json:"override,omitempty"`
	// OverrideFreeze says why the freezes of this moment do not count.
	OverrideFreeze string `json:"overrideFreeze,omitempty"`
	// URL that people can look at.
	URL string `json:"url,omitempty"`
	// Repository, as its host names it, and the full hash of the commit that the image was built from: whom the
	// plan's notifications name hear of them. A CI job's token says them itself.
	Repository string `json:"repository,omitempty"`
	Commit     string `json:"commit,omitempty"`
}

// CommandRequest tells a release something.
type CommandRequest struct {
	// Reason in plain words; it is kept with the release.
	Reason string `json:"reason,omitempty"`
	// Where is what was looked at, as the release's status calls it, such as "question 1.1": a decision about
	// anything else is refused. Empty: whatever the release asks for now.
	Where string `json:"where,omitempty"`
}

// Read takes one JSON object without unknown fields; nothing at all is an empty one. The error is a
// *sender.Answer.
func Read(w http.ResponseWriter, req *http.Request, to any) error {
	text, err := io.ReadAll(http.MaxBytesReader(w, req.Body, Max))
	if _, large := errors.AsType[*http.MaxBytesError](err); large {
		return &sender.Answer{Status: http.StatusRequestEntityTooLarge, Text: fmt.Sprintf("the body has more than %d KiB", Max>>10)}
	}
	if err != nil {
		return &sender.Answer{Status: http.StatusBadRequest, Text: fmt.Sprintf("read body: %v", err)}
	}
	if len(bytes.TrimSpace(text)) == 0 {
		return nil
	}
	return sender.Strictly(text, to)
}
