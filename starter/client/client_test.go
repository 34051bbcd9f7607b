// SPDX-License-Identifier: Apache-2.0

package client

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"

	"github.com/slipwayhq/slipway/workflows"
)

const digest = "@sha256:0000000000000000000000000000000000000000000000000000000000000001"

func TestOnlyAnImagePinnedByItsDigestIsReleased(t *testing.T) {
	tests := map[string]struct{ image, refusal string }{
		"pinned":                     {"registry.example/checkout" + digest, ""},
		"pinned, with a port":        {"registry.example:5000/shop/checkout" + digest, ""},
		"a tag beside the digest":    {"registry.example/checkout:v2" + digest, ""},
		"a tag alone":                {"registry.example/checkout:v2", "is not pinned: write it with its digest, such as registry.example/checkout@sha256:…"},
		"a bare name":                {"checkout", "is not pinned: write it with its digest, such as docker.io/library/checkout@sha256:…"},
		"a digest that is too short": {"registry.example/checkout@sha256:01", "invalid"},
		"nothing":                    {"", "invalid reference format"},
		"capital letters":            {"registry.example/Checkout" + digest, "invalid reference format"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			err := Order{Image: tt.image}.Check()
			if tt.refusal == "" {
				require.NoError(t, err)
				return
			}
			require.ErrorContains(t, err, tt.refusal)
		})
	}
}

func TestASourceIsARepositoryWithACommitOrNothing(t *testing.T) {
	commit := strings.Repeat("0123456789", 4)
	for name, tt := range map[string]struct {
		source  workflows.Source
		refusal string
	}{
		"nothing":                    {},
		"both":                       {source: workflows.Source{Repository: "acme/checkout", Commit: commit, URL: "https://ci.example/runs/1"}},
		"groups within groups":       {source: workflows.Source{Repository: "acme/shop/checkout", Commit: commit}},
		"a URL alone":                {source: workflows.Source{URL: "https://ci.example/runs/1"}},
		"a commit alone":             {workflows.Source{Commit: commit}, "belong together"},
		"a repository alone":         {workflows.Source{Repository: "acme/checkout"}, "belong together"},
		"a short hash":               {workflows.Source{Repository: "acme/checkout", Commit: "0123456"}, "write the full hash"},
		"a branch":                   {workflows.Source{Repository: "acme/checkout", Commit: "main"}, "write the full hash"},
		"a repository without owner": {workflows.Source{Repository: "checkout", Commit: commit}, "such as acme/checkout"},
		"a path in the repository":   {workflows.Source{Repository: "acme/check out", Commit: commit}, "such as acme/checkout"},
		"a way out of the path":      {workflows.Source{Repository: "acme/../secrets", Commit: commit}, "such as acme/checkout"},
		"a repository of settings":   {source: workflows.Source{Repository: "acme/.github", Commit: commit}},
		"a long name":                {workflows.Source{Repository: "acme/" + strings.Repeat("x", 251), Commit: commit}, "such as acme/checkout"},
		"a URL of another kind":      {workflows.Source{URL: "javascript:alert(1)"}, "is not a URL"},
	} {
		t.Run(name, func(t *testing.T) {
			err := Order{Image: "registry.example/checkout" + digest, Source: tt.source}.Check()
			if tt.refusal == "" {
				require.NoError(t, err)
				return
			}
			require.ErrorContains(t, err, tt.refusal)
		})
	}
}

func TestALaneIsEnvironmentAndName(t *testing.T) {
	lane, err := ParseLane("production/checkout")
	require.NoError(t, err)
	require.Empty(t, cmp.Diff(Lane{Environment: "production", Name: "checkout"}, lane))
	require.Equal(t, "production/checkout", lane.String())
	for _, s := range []string{"", "checkout", "/checkout", "production/", "production/checkout/eu", "/", "production/Checkout", "production/check' OR '1"} {
		_, err := ParseLane(s)
		require.ErrorContains(t, err, "is not a service: write it as environment/name", s)
	}
}

func TestASourceIsAsMuchOfAnEventAsIsInOrder(t *testing.T) {
	commit := strings.Repeat("ab", 20)
	for name, tt := range map[string]struct{ repository, commit, link, want string }{
		"all of it":                   {"acme/checkout", commit, "https://ci.example/1", "acme/checkout " + commit + " https://ci.example/1"},
		"no commit":                   {"acme/checkout", "", "https://ci.example/1", "  https://ci.example/1"},
		"a commit that is cut":        {"acme/checkout", "abc", "https://ci.example/1", "  https://ci.example/1"},
		"a repository that is a path": {"../acme", commit, "https://ci.example/1", "  https://ci.example/1"},
		"a link that is none":         {"acme/checkout", commit, "javascript:alert(1)", "acme/checkout " + commit + " "},
	} {
		t.Run(name, func(t *testing.T) {
			s := Traced(tt.repository, tt.commit, tt.link)
			require.Equal(t, tt.want, s.Repository+" "+s.Commit+" "+s.URL)
		})
	}
}
