// SPDX-License-Identifier: Apache-2.0

package faults

import (
	"fmt"
	"math/rand/v2"
	"slices"
)

// Shard is one part of all cases, such as the second of four.
type Shard struct{ I, N int }

// ParseShard reads "2/4".
func ParseShard(text string) (Shard, error) {
	var s Shard
	if n, err := fmt.Sscanf(text, "%d/%d", &s.I, &s.N); err != nil || n != 2 || s.I < 1 || s.I > s.N || text != s.String() {
		return s, fmt.Errorf("%q is no shard; write one such as 1/4", text)
	}
	return s, nil
}

// String is how a shard is written.
func (s Shard) String() string { return fmt.Sprintf("%d/%d", s.I, s.N) }

// Of are its cases: every Nth, so that each shard has cases of every way.
func (s Shard) Of(all []Case) []Case {
	var out []Case
	for i := s.I - 1; i < len(all); i += s.N {
		out = append(out, all[i])
	}
	return out
}

// Sample draws n deaths around a write by a seed. The other cases take a minute and more, and some of them the
// whole sandbox.
func Sample(all []Case, n int, seed uint64) []Case {
	all = slices.DeleteFunc(slices.Clone(all), func(c Case) bool { return !c.Exact || c.Calm || c.Alone })
	lot := rand.New(rand.NewPCG(seed, 0)) //nolint:gosec // a lot that its seed repeats
	lot.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
	return all[:min(n, len(all))]
}
