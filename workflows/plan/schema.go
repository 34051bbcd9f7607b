// SPDX-License-Identifier: Apache-2.0

package plan

import _ "embed"

// Schema is the JSON Schema of a plan file, for editors. It is generated from the types; a test
// compares the two, and `go test ./workflows/plan -update` writes it anew.
//
//go:embed schema.json
var Schema []byte
