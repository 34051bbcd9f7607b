// SPDX-License-Identifier: Apache-2.0

package main

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestEveryMutantStillHasSomethingToBreak(t *testing.T) {
	for _, m := range mutants() {
		t.Run(m.promise+" "+m.name, func(t *testing.T) {
			_, err := m.overlay("../..", t.TempDir())
			require.NoError(t, err)
		})
	}
}
