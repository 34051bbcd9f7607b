// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"slices"

	"github.com/slipwayhq/slipway/workflows"
)

// Keys that are not letters.
const (
	keyInterrupt = 3
	keyDelete    = 127
	keyBackspace = 8
	keyEscape    = 27
	keyEnter     = '\r'
)

// maxReason is how long a reason that is typed can be.
const maxReason = 200

// pad turns keys into commands. An approval is confirmed and an abort gives its reason before anything happens.
type pad struct {
	// asking is the command that a confirmation or a reason is typed for; empty: none.
	asking string
	text   []byte
	// said is the answer to the last command.
	said string
}

// wanted is what keys have asked for; the zero value: nothing yet.
type wanted struct{ command, reason string }

// press takes one key, and reports whether it ends the watch.
func (p *pad) press(key byte, s workflows.Status) (w wanted, leave bool) {
	switch {
	case key == keyInterrupt:
		return w, true
	case key == keyEscape:
		p.asking, p.text, p.said = "", nil, ""
		return w, false
	case p.asking == workflows.Approve:
		p.asking = ""
		if key == 'y' || key == 'Y' {
			return wanted{command: workflows.Approve}, false
		}
		return w, false
	case p.asking == workflows.Abort:
		return p.typed(key), false
	case key == 'q':
		return w, true
	}
	return p.begin(key, s), false
}

// begin is a key while nothing is being asked.
func (p *pad) begin(key byte, s workflows.Status) wanted {
	p.said = ""
	if s.Phase.Ended() {
		return wanted{}
	}
	switch key {
	case 'a':
		p.asking = workflows.Approve
	case 'x':
		p.asking, p.text = workflows.Abort, nil
	case 'p':
		return wanted{command: workflows.Pause}
	case 'r':
		return wanted{command: workflows.Resume}
	}
	return wanted{}
}

// typed is a key of a reason.
func (p *pad) typed(key byte) wanted {
	switch {
	case key == keyEnter && len(p.text) > 0:
		w := wanted{command: workflows.Abort, reason: string(p.text)}
		p.asking, p.text = "", nil
		return w
	case key == keyDelete || key == keyBackspace:
		p.text = p.text[:max(0, len(p.text)-1)]
	case key >= ' ' && len(p.text) < maxReason:
		p.text = append(slices.Clip(p.text), key)
	}
	return wanted{}
}

// says is the line below the picture.
func (p *pad) says() string {
	switch p.asking {
	case workflows.Approve:
		return "approve? [y] yes, any other key: no"
	case workflows.Abort:
		return "abort, because: " + string(p.text) + "▏ (Enter aborts, Esc goes back)"
	}
	return p.said
}
