// SPDX-License-Identifier: Apache-2.0

package stage

import (
	"fmt"
	"maps"
	"sync"

	"github.com/slipwayhq/slipway/testsuite/fakeslack"
)

// secrets are what must be found nowhere when everything is over, by their names.
type secrets struct {
	mu  sync.Mutex
	all map[string]string
}

// Plant names a secret that a program is given: it must be found nowhere else.
func (s *Stage) Plant(name, secret string) {
	s.planted.mu.Lock()
	defer s.planted.mu.Unlock()
	for _, known := range s.planted.all {
		if known == secret {
			return
		}
	}
	s.planted.all[fmt.Sprintf("%s (%d)", name, len(s.planted.all)+1)] = secret
}

// Secrets are those that were planted, and those of every stage.
func (s *Stage) Secrets() map[string]string {
	s.planted.mu.Lock()
	defer s.planted.mu.Unlock()
	out := map[string]string{
		"the approval key": s.Key.Reveal(), "Slack's bot token": fakeslack.BotToken, "Slack's signing secret": fakeslack.SigningSecret,
		"Slack's app token": fakeslack.AppToken,
	}
	maps.Copy(out, s.planted.all)
	return out
}
