// SPDX-License-Identifier: Apache-2.0

package activities

import (
	"context"
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestAWatchThatRestsTellsAgainAndAgainThatItsWorkerLives(t *testing.T) {
	beats := make(chan string, 100)
	state := map[string]int{"tick": 1}
	tell, end := beating(context.Background(), func(b json.RawMessage) { beats <- string(b) })
	require.NoError(t, tell(state))
	require.NoError(t, tell(map[string]int{"tick": 2}), "states that come too fast are left out")
	state["tick"] = 3
	for range 3 {
		require.JSONEq(t, `{"tick": 1}`, <-beats, "a heartbeat without the state would lose it")
	}
	require.NoError(t, tell(state))
	for b := range beats {
		if b == `{"tick":3}` {
			break
		}
	}
	end()
	for len(beats) > 0 {
		<-beats
	}
	require.Empty(t, beats, "nothing beats any more")
}

func TestAWatchThatHasEndedIsSilent(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	tell, end := beating(ctx, func(json.RawMessage) {})
	require.NoError(t, tell(1))
	cancel()
	end()
}
