// SPDX-License-Identifier: Apache-2.0

package faults

import (
	_ "embed"
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/slipwayhq/slipway/testsuite/e2e/faultproxy"
)

//go:embed writes.json
var recorded []byte

// Usual is what a way does when nothing goes wrong.
type Usual struct {
	// Activities are how often each is scheduled, Pods how many are made, Kept the objects that stay.
	Activities map[string]int `json:"activities"`
	Pods       int            `json:"pods"`
	Kept       []string       `json:"kept"`
	// Writes in their order; of a release that is aborted only those of the way back.
	Writes []Write `json:"writes"`
}

// Write is one write at the API server.
type Write struct {
	Activity string `json:"activity"`
	Verb     string `json:"verb"`
	Resource string `json:"resource"`
	// Object has the name of the service in it as NAME; empty for one that is made.
	Object string `json:"object"`
	// Nth that is so in its telling, from 1.
	Nth int `json:"nth"`
}

// String is the write as cases name it.
func (w Write) String() string {
	parts := []string{w.Activity, w.Verb, w.Resource, w.Object, strconv.Itoa(w.Nth)}
	return strings.Join(slices.DeleteFunc(parts, func(p string) bool { return p == "" }), ".")
}

func writeOf(c faultproxy.Call, shop string) Write {
	return Write{Activity: c.Activity, Verb: c.Verb, Resource: c.Resource, Object: general(c.Object, shop), Nth: c.Nth}
}

// is reports whether a call does what the write does, whichever service it is for.
func (w Write) is(c faultproxy.Call) bool {
	return c.Activity == w.Activity && c.Verb == w.Verb && c.Resource == w.Resource && general(c.Object, c.Namespace) == w.Object
}

// UsualOf is what stands in writes.json, by the names of the ways.
func UsualOf() map[string]Usual {
	out := map[string]Usual{}
	if err := json.Unmarshal(recorded, &out); err != nil {
		panic(fmt.Sprintf("read writes.json: %s", err)) // it is part of this package
	}
	return out
}

// Learn is what a telling without faults has shown.
func Learn(a Account) Usual {
	out := Usual{Activities: a.Activities, Pods: a.Made, Kept: a.Kept}
	for _, c := range a.Writes[a.From:] {
		out.Writes = append(out.Writes, writeOf(c, a.Shop))
	}
	return out
}

// Save writes writes.json anew.
func Save(file string, all map[string]Usual) error {
	text, err := json.MarshalIndent(all, "", "  ")
	if err == nil {
		err = os.WriteFile(file, append(text, '\n'), 0o644)
	}
	if err != nil {
		return fmt.Errorf("save writes: %w", err)
	}
	return nil
}
