// SPDX-License-Identifier: Apache-2.0

package record

import (
	"bytes"
	"encoding/json"
	"fmt"
	"regexp"

	"github.com/slipwayhq/slipway/workflows/decide/judge"
)

// Lines are entries of one release as they are kept, and its name, which is part of the name of a file or an object.
func Lines(entries ...judge.Entry) (release string, lines []byte, err error) {
	release = entries[0].Release
	if !regexp.MustCompile(`^[a-zA-Z0-9][a-zA-Z0-9._-]{0,200}$`).MatchString(release) {
		return "", nil, fmt.Errorf("write record: %q is not the name of a release", release)
	}
	var out bytes.Buffer
	encoder := json.NewEncoder(&out)
	for _, e := range entries {
		if err := encoder.Encode(e); err != nil {
			return "", nil, fmt.Errorf("write record of %s: %w", release, err)
		}
	}
	return release, out.Bytes(), nil
}
