// SPDX-License-Identifier: Apache-2.0

package simulation_test

import (
	"encoding/json"
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/slipwayhq/slipway/activities"
	"github.com/slipwayhq/slipway/testsuite/simulation"
	"github.com/slipwayhq/slipway/workflows"
)

var (
	seeds  = flag.Int("seeds", few, "how many seeds to play")
	first  = flag.Uint64("first", 1, "the first of them")
	seed   = flag.Uint64("seed", 0, "play this one alone, and tell its story")
	brief  = flag.Bool("brief", false, "end with the first seed that breaks a promise, as it is")
	enough = flag.Int("hits", 0, "how often every pair of an activity and a fault must be met; 0: as many as the seeds allow")
)

// failure is a seed that broke a promise.
type failure struct {
	scenario simulation.Scenario
	result   simulation.Result
}

func fails(s simulation.Scenario) bool { return len(simulation.Run(s).Violations) > 0 }

// String says how to repeat it.
func (f failure) String() string {
	small := f.scenario
	if !*brief {
		small = simulation.Shrink(f.scenario, fails)
	}
	text, err := json.MarshalIndent(small, "", "  ")
	if err != nil {
		return err.Error()
	}
	r := simulation.Run(small)
	return fmt.Sprintf("seed %d: %s\n\nrepeat: go test ./testsuite/simulation -run TestSeeds -seed %d\n\nkeep it as testsuite/simulation/testdata/<what it is>.json:\n%s\n\n%s",
		f.scenario.Seed, strings.Join(r.Violations, "\n"), f.scenario.Seed, text, r.Story)
}

// play runs seeds on all processors.
func play(all []simulation.Target, from uint64, n int) ([]failure, map[simulation.Pair]int, map[workflows.Phase]int) {
	var next atomic.Int64
	var mu sync.Mutex
	var group sync.WaitGroup
	var failed []failure
	hits, ends := map[simulation.Pair]int{}, map[workflows.Phase]int{}
	for range runtime.GOMAXPROCS(0) {
		group.Go(func() {
			for i := next.Add(1) - 1; i < int64(n); i = next.Add(1) - 1 {
				s := simulation.Generate(from+uint64(i), all)
				r := simulation.Run(s)
				mu.Lock()
				for pair, n := range r.Hits {
					hits[pair] += n
				}
				for _, p := range r.Phases {
					ends[p]++
				}
				if len(r.Violations) > 0 {
					failed = append(failed, failure{s, r})
					if *brief {
						next.Store(int64(n))
					}
				}
				mu.Unlock()
			}
		})
	}
	group.Wait()
	return failed, hits, ends
}

func TestSeeds(t *testing.T) {
	all, err := simulation.Targets()
	require.NoError(t, err)
	if *seed > 0 {
		s := simulation.Generate(*seed, all)
		r := simulation.Run(s)
		text, err := json.MarshalIndent(s, "", "  ")
		require.NoError(t, err)
		t.Logf("%s\n%s", text, r.Story)
		if len(r.Violations) > 0 {
			t.Error(failure{s, r}.String())
		}
		return
	}
	began := time.Now()
	failed, hits, ends := play(all, *first, *seeds)
	least := report(t, all, hits)
	t.Logf("%d seeds in %s, %d violations; ends: %v; every pair of %d activities and %d kinds of fault was met %d times at least",
		*seeds, time.Since(began).Round(time.Second), len(failed), ends, len(all)/len(simulation.Kinds()), len(simulation.Kinds()), least)
	slices.SortFunc(failed, func(a, b failure) int { return int(a.scenario.Seed) - int(b.scenario.Seed) })
	for i, f := range failed {
		if i < 3 {
			t.Error(f.String())
			continue
		}
		t.Errorf("seed %d, %s: %s", f.scenario.Seed, f.scenario.Way, f.result.Violations[0])
	}
	if *enough > 0 {
		require.GreaterOrEqual(t, least, *enough)
	}
}

// report prints how often every pair was met, and returns the least.
func report(t *testing.T, all []simulation.Target, hits map[simulation.Pair]int) int {
	t.Helper()
	least, lines := -1, map[string][]string{}
	for _, target := range all {
		n := hits[simulation.Pair{Activity: target.Activity, Kind: target.Kind}]
		if least < 0 || n < least {
			least = n
		}
		lines[target.Activity] = append(lines[target.Activity], fmt.Sprintf("%s %d", target.Kind, n))
	}
	for _, name := range slices.Sorted(maps.Keys(lines)) {
		t.Logf("%-18s %s", name, strings.Join(lines[name], ", "))
	}
	return least
}

// What has failed once does not fail again.
func TestScenariosThatFailedOnce(t *testing.T) {
	files, err := filepath.Glob("testdata/*.json")
	require.NoError(t, err)
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".json"), func(t *testing.T) {
			text, err := os.ReadFile(file)
			require.NoError(t, err)
			var s simulation.Scenario
			require.NoError(t, json.Unmarshal(text, &s))
			r := simulation.Run(s)
			require.Empty(t, r.Violations, r.Story)
		})
	}
}

// A new activity needs a plan here that uses it.
func TestEveryActivityIsDisturbed(t *testing.T) {
	all, err := simulation.Targets()
	require.NoError(t, err)
	met := map[string]bool{}
	for _, target := range all {
		met[target.Activity] = true
	}
	for _, s := range []any{&activities.Cluster{}, &activities.Rollout{}, &activities.Traffic{}, &activities.Checks{}, &activities.Analysis{}} {
		for m := range reflect.TypeOf(s).Methods() {
			require.True(t, met[m.Name], "no release of the simulation uses the activity %s", m.Name)
		}
	}
}

func TestAnEditInAHoldIsDecidedAndTheReleaseGoesOn(t *testing.T) {
	for _, what := range []string{simulation.EditWeight, simulation.EditSmaller} {
		for _, answer := range []string{workflows.EditsKeep, workflows.EditsTakeBack} {
			t.Run(what+" "+answer, func(t *testing.T) {
				s := simulation.Undisturbed("canary")
				s.People = []simulation.Deed{{At: 5 * time.Second, Edit: what, By: 7, Answer: answer}}
				r := simulation.Run(s)
				require.Empty(t, r.Violations, r.Story)
				require.Equal(t, []workflows.Phase{workflows.Promoted}, r.Phases, r.Story)
				require.Equal(t, 1, strings.Count(r.Story, "  paused: somebody has set "), r.Story)
			})
		}
	}
}

func TestASeedHasOneStory(t *testing.T) {
	all, err := simulation.Targets()
	require.NoError(t, err)
	for n := uint64(1); n <= 20; n++ {
		s := simulation.Generate(n, all)
		once, again := simulation.Run(s), simulation.Run(s)
		require.Equal(t, once.Story, again.Story)
	}
}
