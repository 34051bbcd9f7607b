// SPDX-License-Identifier: Apache-2.0

package query

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// Track is what the variables of a query stand for.
type Track struct {
	Namespace string
	// Service and Deployment are those of this track.
	Service, Deployment string
	// Name is stable or candidate.
	Name string
}

// variables by their names. Those that differ between the tracks come last.
func (t Track) variables() []variable {
	return []variable{
		{name: "namespace", value: t.Namespace},
		{name: "service", value: t.Service, tells: true},
		{name: "deployment", value: t.Deployment, tells: true},
		{name: "track", value: t.Name, tells: true},
		{name: "pods", value: Pods(t.Deployment), tells: true, expression: true},
	}
}

type variable struct {
	name, value string
	// tells says that it differs between the tracks, expression that it is a regular expression.
	tells, expression bool
}

// Pods matches the pods of one Deployment by their names, "<deployment>-<template hash>-<five letters>". A Deployment
// whose name only begins with this one's has more dashes.
func Pods(deployment string) string {
	return regexp.QuoteMeta(deployment) + "-[a-z0-9]{1,10}-[a-z0-9]{5}"
}

// Fill puts a track into the place of the variables. What is no variable stays as it is.
func Fill(text string, t Track) string {
	all := t.variables()
	return braces().ReplaceAllStringFunc(text, func(found string) string {
		i := slices.IndexFunc(all, func(v variable) bool { return v.name == nameOf(found) })
		if i < 0 {
			return found
		}
		quoted := strconv.Quote(all[i].value) // a Kubernetes name has nothing to escape; what is none ends no string
		return quoted[1 : len(quoted)-1]
	})
}

// Over selects the stored samples of the last milliseconds.
func Over(selector string, milliseconds int64) string {
	return fmt.Sprintf("%s[%dms]", selector, milliseconds)
}

// With adds matchers to a selector, and takes series of all the given names in the place of its own: a list of
// matchers such as `le="1"`, or none.
func With(selector string, names []string, matchers ...string) string {
	_, inside, _ := strings.Cut(strings.TrimSpace(selector), "{")
	inside = strings.TrimRight(strings.TrimSuffix(strings.TrimSpace(inside), "}"), " \t\r\n,")
	quoted := make([]string, len(names))
	for i, name := range names {
		quoted[i] = regexp.QuoteMeta(name)
	}
	all := append([]string{fmt.Sprintf("__name__=~%q", strings.Join(quoted, "|"))}, matchers...)
	if inside != "" {
		all = append(all, inside)
	}
	return "{" + strings.Join(all, ",") + "}"
}

// Name is the metric's name at the beginning of a selector.
func Name(selector string) string {
	name, _, _ := strings.Cut(strings.TrimSpace(selector), "{")
	return strings.TrimSpace(name)
}

func braces() *regexp.Regexp { return regexp.MustCompile(`\{\{\s*[A-Za-z]+\s*\}\}`) }

func nameOf(found string) string { return strings.TrimSpace(strings.Trim(found, "{}")) }
