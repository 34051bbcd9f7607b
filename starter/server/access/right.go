// SPDX-License-Identifier: Apache-2.0

package access

import (
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"
)

// Right is what a caller may do.
type Right string

// The rights.
const (
	// Read shows plans and releases.
	Read Right = "read"
	// Start starts releases.
	Start Right = "start"
	// Steer pauses, resumes and aborts them.
	Steer Right = "steer"
	// Approve answers what they ask, as far as the plan names the caller, and promotes them.
	Approve Right = "approve"
)

// HowToken is how somebody is recognised who has a token of ours.
const HowToken = "token"

// Caller is somebody who was recognised, with what they may do.
type Caller struct {
	// Name of the token, or of the person.
	Name string
	// Groups of a person, as plans name them.
	Groups []string
	// How they were recognised, as statements say it.
	How    string
	grants []grant
}

// grant is what the file allows somebody. They may have several.
type grant struct {
	rights   []Right
	services []string
}

// Who they are, as releases keep it and plans name it. No person's name has a colon: none can be that of a token.
func (c Caller) Who() string {
	if c.How == HowToken {
		return HowToken + ":" + c.Name
	}
	return c.Name
}

// String is what they are called in an answer.
func (c Caller) String() string {
	if c.How == HowToken {
		return "the token " + c.Name
	}
	return c.Name
}

// May reports whether the caller has a right for a service, "environment/name"; or where that is empty for
// any at all.
func (c Caller) May(r Right, service string) bool {
	return slices.ContainsFunc(c.grants, func(g grant) bool { return g.allows(r, service) })
}

func (g grant) allows(r Right, service string) bool {
	return slices.Contains(g.rights, r) && (service == "" || slices.ContainsFunc(g.services, func(pattern string) bool {
		ok, err := path.Match(pattern, service)
		return err == nil && ok
	}))
}

func (g grant) check() error {
	if len(g.rights) == 0 || len(g.services) == 0 {
		return errors.New("name its rights (read, start, steer, approve) and its services, such as production/*")
	}
	for _, r := range g.rights {
		if !slices.Contains([]Right{Read, Start, Steer, Approve}, r) {
			return fmt.Errorf("there is no right %q; there are read, start, steer and approve", r)
		}
	}
	for _, s := range g.services {
		if _, err := path.Match(s, ""); err != nil || strings.Count(s, "/") != 1 {
			return fmt.Errorf("services are environment/name, in which * stands for anything but a slash; not %q", s)
		}
	}
	return nil
}

// Entitled is one line of the file about people.
type Entitled struct {
	// Name of a person, or Group of several, as plans name them.
	Name   string  `yaml:"name,omitempty"`
	Group  string  `yaml:"group,omitempty"`
	Rights []Right `yaml:"rights"`
	// Services are patterns such as production/*, in which * stands for anything but a slash.
	Services []string `yaml:"services"`
}

func (e Entitled) check() error {
	switch {
	case (e.Name == "") == (e.Group == ""):
		return errors.New("write either the name of a person or a group")
	case e.Name != "" && !isName(e.Name) && !isSPIFFE(e.Name):
		return errors.New(nameRule + "; or it is a SPIFFE ID")
	case e.Group != "" && !isGroup(e.Group):
		return errors.New(`a group begins with @, such as "@team-checkout"`)
	}
	return grant{e.Rights, e.Services}.check()
}

func (e Entitled) is(p Person) bool {
	return e.Name != "" && e.Name == p.Name || e.Group != "" && slices.Contains(p.Groups, e.Group)
}
