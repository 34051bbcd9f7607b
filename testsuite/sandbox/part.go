// SPDX-License-Identifier: Apache-2.0

package sandbox

import "path/filepath"

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
	// CRDs are the CustomResourceDefinitions that belong next to the program.
	CRDs CRDs
}

// CRDs are where CustomResourceDefinitions come from, so that none is kept in the repository.
type CRDs struct {
	// Module that the part requires; empty: there are none.
	Module string
	// Path in the module: a directory with one in each file, or a file with several.
	Path string
}

// CRDDir is where a part's CustomResourceDefinitions are, as files *.yaml next to its program.
func CRDDir(program string) string { return filepath.Join(filepath.Dir(program), "crds") }

// Parts are what a sandbox is made of, the slowest to build first.
func Parts() []Part {
	strip := "-ldflags=-s -w"
	return []Part{
		{
			Name: "kube", Target: ".", Minutes: 12, Flags: []string{strip + " -X k8s.io/component-base/version.gitVersion=v1.37.2"},
			CRDs: CRDs{Module: "sigs.k8s.io/gateway-api", Path: "config/crd/standard"},
		},
		{Name: "temporal", Target: ".", Minutes: 6, Flags: []string{strip}},
		{
			Name: "gateway", Target: "github.com/traefik/traefik/v3/cmd/traefik", Minutes: 5, Flags: []string{strip, "-mod=mod"},
			CRDs: CRDs{Module: "github.com/traefik/traefik/v3", Path: "docs/content/reference/dynamic-configuration/kubernetes-crd-definition-v1.yml"},
		},
		{Name: "prometheus", Target: "github.com/prometheus/prometheus/cmd/prometheus", Minutes: 4, Flags: []string{strip, "-mod=mod", "-tags=remove_all_sd,enable_kubernetes_sd"}},
		{Name: "shop", Target: ".", Minutes: 1, Flags: []string{strip}},
	}
}
