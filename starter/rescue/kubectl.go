// SPDX-License-Identifier: Apache-2.0

package rescue

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// kubectl is a command in the target's namespace, for a person to copy.
func (p planning) kubectl(format string, args ...any) string {
	return "kubectl -n " + p.safe.Target.Namespace + " " + fmt.Sprintf(format, args...)
}

// selectByHand replaces a selector whole: a merge would keep the labels of the other track.
func (p planning) selectByHand(selector map[string]string) string {
	var labels []string
	for _, k := range slices.Sorted(maps.Keys(selector)) {
		labels = append(labels, fmt.Sprintf("%q:%q", k, selector[k]))
	}
	patch := fmt.Sprintf(`[{"op":"replace","path":"/spec/selector","value":{%s}}]`, strings.Join(labels, ","))
	return p.kubectl("patch service/%s --type=json -p %s", p.safe.Route.Stable, quote(patch))
}

// quote makes one word of a POSIX shell of any text.
func quote(text string) string { return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'" }
