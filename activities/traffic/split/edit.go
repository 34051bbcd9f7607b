// SPDX-License-Identifier: Apache-2.0

package split

import (
	"strconv"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/slipwayhq/slipway/activities/cluster"
)

// Editor names who else than Slipway has written what a JSON pointer points at.
func Editor(o metav1.Object, pointer string) string {
	return cluster.Editor(o, strings.Split(strings.TrimPrefix(pointer, "/"), "/")...)
}

// Field is a JSON pointer as people write it: spec.rules[0].backendRefs.
func Field(pointer string) string {
	var out strings.Builder
	for part := range strings.SplitSeq(strings.TrimPrefix(pointer, "/"), "/") {
		if _, err := strconv.Atoi(part); err == nil {
			out.WriteString("[" + part + "]")
			continue
		}
		if out.Len() > 0 {
			out.WriteByte('.')
		}
		out.WriteString(part)
	}
	return out.String()
}
