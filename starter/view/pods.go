// SPDX-License-Identifier: Apache-2.0

package view

import (
	"fmt"
	"strings"

	"github.com/slipwayhq/slipway/workflows"
)

// pods is the tree from the Service to its pods.
func pods(b *strings.Builder, s workflows.Status, sight workflows.Sight) {
	if len(sight.Workloads) == 0 {
		return
	}
	top := "pods"
	if sight.Service != "" {
		top = "Service " + sight.Service
	}
	fmt.Fprintf(b, "%s\n", top)
	for i, w := range sight.Workloads {
		branch, stem := twig(i, len(sight.Workloads), "")
		fmt.Fprintf(b, "%s%s  %d/%d ready%s\n", branch, w.Name, w.Ready, w.Want, role(s, w))
		for j, set := range w.Sets {
			branch, leaf := twig(j, len(w.Sets), stem)
			fmt.Fprintf(b, "%s%s\n", branch, set.Name)
			all := len(set.Pods)
			if set.More > 0 {
				all++
			}
			for k, p := range set.Pods {
				branch, _ := twig(k, all, leaf)
				fmt.Fprintf(b, "%s%s\n", branch, pod(p))
			}
			if set.More > 0 {
				branch, _ := twig(all-1, all, leaf)
				fmt.Fprintf(b, "%sand %d more\n", branch, set.More)
			}
		}
	}
	b.WriteString("\n")
}

// twig draws one of several branches, and what stands before those that grow from it.
func twig(i, of int, stem string) (branch, below string) {
	if i == of-1 {
		return stem + "└─ ", stem + "   "
	}
	return stem + "├─ ", stem + "│  "
}

// role says what a workload is to the release.
func role(s workflows.Status, w workflows.WorkloadSight) string {
	var all []string
	switch {
	case s.Stable == s.Candidate:
	case w.Name == s.Candidate:
		all = append(all, "candidate")
	case w.Name == s.Stable:
		all = append(all, "stable")
	}
	if w.Serves {
		all = append(all, "callers inside the cluster reach it")
	}
	if len(all) == 0 {
		return ""
	}
	return "  (" + strings.Join(all, ", ") + ")"
}

func pod(p workflows.PodSight) string {
	text := present
	if p.Ready {
		text = done
	}
	text += " " + p.Name
	if p.State != "" {
		text += "  " + p.State
	}
	if p.Restarts > 0 {
		text += fmt.Sprintf("  restarted %d times", p.Restarts)
	}
	return text
}
