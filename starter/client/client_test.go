// SPDX-License-Identifier: Apache-2.0

package client

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"
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
