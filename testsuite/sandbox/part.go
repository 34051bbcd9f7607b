// SPDX-License-Identifier: Apache-2.0

package sandbox

// Part is one program of the sandbox.
type Part struct {
	// Name of the part, of its directory and of its program.
	Name string
	// Target is the package to build, seen from the part's directory.
	Target string
	// Flags of the compiler beyond the common ones.
	Flags []string
	// Minutes is about how long a cold build takes on two cores, downloads included.
	Minutes int
	// CRDs is true where the Gateway API's CustomResourceDefinitions belong next to the program.
	CRDs bool
}

// Parts are what a sandbox is made of, the slowest to build first.
func Parts() []Part {
	strip := "-ldflags=-s -w"
	return []Part{
		{Name: "kube", Target: ".", Minutes: 12, CRDs: true, Flags: []string{strip + " -X k8s.io/component-base/version.gitVersion=v1.37.2"}},
		{Name: "temporal", Target: ".", Minutes: 6, Flags: []string{strip}},
		{Name: "gateway", Target: "github.com/traefik/traefik/v3/cmd/traefik", Minutes: 5, Flags: []string{strip, "-mod=mod"}},
		{Name: "prometheus", Target: "github.com/prometheus/prometheus/cmd/prometheus", Minutes: 4, Flags: []string{strip, "-mod=mod", "-tags=remove_all_sd,enable_kubernetes_sd"}},
		{Name: "shop", Target: ".", Minutes: 1, Flags: []string{strip}},
	}
}
