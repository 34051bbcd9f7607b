// SPDX-License-Identifier: Apache-2.0

package faultproxy

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
)

// Call is one request as it comes by.
type Call struct {
	// Activity of the worker that sends it, by its User-Agent; empty where it names none.
	Activity string
	// Verb is get, create, update, patch or delete. A list is a get without an object.
	Verb string
	// Resource is the plural of what it is about, such as "deployments" or "deployments/scale", Namespace and
	// Object where and which. Of a path that is none of Kubernetes' the resource is the path.
	Resource, Namespace, Object string
	// Nth of its kind since the proxy was started or reset, from 1.
	Nth int
}

// Writes reports whether it changes anything.
func (c Call) Writes() bool { return c.Verb != "get" }

// Kind is what the call does, without its number: two calls of one kind do the same.
func (c Call) Kind() string {
	return strings.Join([]string{c.Activity, c.Verb, c.Resource, c.Object}, " ")
}

// String is the call as people read it.
func (c Call) String() string { return fmt.Sprintf("%s %d", c.Kind(), c.Nth) }

// Program is what a User-Agent begins with that names an activity after it.
const Program = "slipway-worker/"

// read tells what a request is. Its body can be read again afterwards.
func read(r *http.Request) (Call, error) {
	c := Call{Verb: verb(r.Method)}
	if rest, ok := strings.CutPrefix(r.UserAgent(), Program); ok {
		c.Activity = rest
	}
	c.locate(r.URL.Path)
	if c.Verb != "create" || c.Object != "" {
		return c, nil
	}
	body, err := io.ReadAll(r.Body)
	if err := errors.Join(err, r.Body.Close()); err != nil {
		return c, fmt.Errorf("read request: %w", err)
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	var named struct{ Metadata struct{ Name string } }
	if json.Unmarshal(body, &named) == nil { // what is no JSON has no name that we need
		c.Object = named.Metadata.Name
	}
	return c, nil
}

func verb(method string) string {
	switch method {
	case http.MethodPost:
		return "create"
	case http.MethodPut:
		return "update"
	case http.MethodPatch:
		return "patch"
	case http.MethodDelete:
		return "delete"
	}
	return "get"
}

// locate reads /api/v1/… and /apis/<group>/<version>/…, with or without a namespace.
func (c *Call) locate(path string) {
	parts := strings.Split(strings.Trim(path, "/"), "/")
	switch {
	case len(parts) > 2 && parts[0] == "api":
		parts = parts[2:]
	case len(parts) > 3 && parts[0] == "apis":
		parts = parts[3:]
	default:
		c.Resource = path
		return
	}
	if len(parts) > 2 && parts[0] == "namespaces" {
		c.Namespace, parts = parts[1], parts[2:]
	}
	c.Resource = parts[0]
	if len(parts) > 1 {
		c.Object = parts[1]
	}
	if len(parts) > 2 {
		c.Resource += "/" + parts[2]
	}
}
