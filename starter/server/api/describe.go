// SPDX-License-Identifier: Apache-2.0

package api

import (
	"encoding/json"
	"net/http"
	"reflect"
	"regexp"
	"strconv"
	"strings"

	"github.com/invopop/jsonschema"
)

// Document is an OpenAPI description, as far as it is used here.
type Document struct {
	OpenAPI    string                          `json:"openapi"`
	Info       Info                            `json:"info"`
	Paths      map[string]map[string]Operation `json:"paths"`
	Components Components                      `json:"components"`
}

// Info says what is described.
type Info struct {
	Title   string `json:"title"`
	Version string `json:"version"`
}

// Operation is a route.
type Operation struct {
	ID          string                `json:"operationId"`
	Summary     string                `json:"summary"`
	Security    []map[string][]string `json:"security"`
	Parameters  []Parameter           `json:"parameters,omitempty"`
	RequestBody *Body                 `json:"requestBody,omitempty"`
	Responses   map[string]Body       `json:"responses"`
}

// Parameter of a path, a query or a header.
type Parameter struct {
	Name        string `json:"name"`
	In          string `json:"in"`
	Description string `json:"description,omitempty"`
	Required    bool   `json:"required"`
	Schema      Schema `json:"schema"`
}

// Body of a request or an answer, by its content type.
type Body struct {
	Description string                       `json:"description,omitempty"`
	Content     map[string]map[string]Schema `json:"content,omitempty"`
}

// Schema is a JSON Schema.
type Schema = *jsonschema.Schema

// limitParameter is how many releases are listed.
func limitParameter() Parameter {
	return Parameter{
		Name: "limit", In: "query", Description: "How many are listed at most.",
		Schema: &jsonschema.Schema{Type: "integer", Minimum: "1", Maximum: json.Number(strconv.Itoa(maxLimit)), Default: defaultLimit},
	}
}

// keyParameter is the header that makes several requests one.
func keyParameter() Parameter {
	longest := uint64(maxKey)
	return Parameter{
		Name: "Idempotency-Key", In: "header", Description: "Requests of one caller with the same key count once; one without a key is one of its own.",
		Schema: &jsonschema.Schema{Type: "string", MaxLength: &longest},
	}
}

// Components are the shared schemas and how callers prove themselves.
type Components struct {
	Schemas         map[string]Schema            `json:"schemas"`
	SecuritySchemes map[string]map[string]string `json:"securitySchemes"`
}

// How callers prove themselves.
const (
	schemeToken       = "token"
	schemeCertificate = "certificate"
)

// Describe makes the description of routes.
func Describe(routes []Route) Document {
	d := Document{
		OpenAPI: "3.1.0", Info: Info{Title: "Slipway", Version: "v1"}, Paths: map[string]map[string]Operation{},
		Components: Components{
			Schemas: map[string]Schema{},
			SecuritySchemes: map[string]map[string]string{
				schemeToken: {
					"type": "http", "scheme": "bearer",
					"description": "A token of Slipway's own, an ID token of a person by the issuer that the server trusts, or for a few operations the token of a CI job.",
				},
				schemeCertificate: {"type": "mutualTLS", "description": "A client certificate of an authority that the server trusts."},
			},
		},
	}
	for _, r := range routes {
		if d.Paths[r.Path] == nil {
			d.Paths[r.Path] = map[string]Operation{}
		}
		d.Paths[r.Path][strings.ToLower(r.Method)] = d.operation(r)
	}
	return d
}

func (d *Document) operation(r Route) Operation {
	o := Operation{ID: r.Name, Summary: r.Summary, Security: []map[string][]string{}, Responses: map[string]Body{}}
	if r.Right != "" {
		o.Security = append(o.Security, map[string][]string{schemeToken: {}}, map[string][]string{schemeCertificate: {}})
		o.Summary += " Needs the right " + string(r.Right) + "."
	}
	for _, name := range regexp.MustCompile(`\{(\w+)\}`).FindAllStringSubmatch(r.Path, -1) {
		o.Parameters = append(o.Parameters, Parameter{Name: name[1], In: "path", Required: true, Schema: &jsonschema.Schema{Type: "string"}})
	}
	o.Parameters = append(o.Parameters, r.Parameters...)
	if r.In != nil {
		body := d.body("application/json", r.In())
		o.RequestBody = &body
	}
	kind := "application/json"
	if r.Streams {
		kind = "text/event-stream"
	}
	success := d.body(kind, r.Out)
	success.Description = http.StatusText(r.Status)
	failure := d.body("application/json", Failure{})
	failure.Description = "What happened, what was done about it, and what to do."
	o.Responses[strconv.Itoa(r.Status)], o.Responses["default"] = success, failure
	return o
}

// body refers to the schema of a value, which is put among the shared ones.
func (d *Document) body(kind string, value any) Body {
	return Body{Content: map[string]map[string]Schema{kind: {"schema": d.schema(reflect.TypeOf(value))}}}
}

func (d *Document) schema(t reflect.Type) Schema {
	if t.Kind() == reflect.Slice {
		return &jsonschema.Schema{Type: "array", Items: d.schema(t.Elem())}
	}
	reflector := &jsonschema.Reflector{Anonymous: true}
	whole := reflector.ReflectFromType(t)
	for name, definition := range whole.Definitions {
		d.Components.Schemas[name] = relocate(definition)
	}
	return relocate(&jsonschema.Schema{Ref: whole.Ref})
}

// relocate points references to where OpenAPI keeps schemas.
func relocate(s Schema) Schema {
	if s == nil {
		return nil
	}
	s.Ref = strings.Replace(s.Ref, "#/$defs/", "#/components/schemas/", 1)
	relocate(s.Items)
	relocate(s.AdditionalProperties)
	for p := s.Properties.Oldest(); p != nil; p = p.Next() {
		relocate(p.Value)
	}
	return s
}
