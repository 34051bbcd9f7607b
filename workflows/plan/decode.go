// SPDX-License-Identifier: Apache-2.0

package plan

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"
)

// MaxSize of a plan file in bytes.
const MaxSize = 256 << 10

// Problem is one thing that is wrong with a plan, with the place to correct it.
type Problem struct {
	// Line in the file, from 1; 0 when the problem is not at one line.
	Line int
	// Field such as "spec.strategy.canary.steps[1].weight"; empty when the text is not even YAML.
	Field string
	// Message says what is wrong and what to write instead.
	Message string
}

// Error puts line, field and message into one line.
func (p *Problem) Error() string {
	var s strings.Builder
	if p.Line > 0 {
		fmt.Fprintf(&s, "line %d: ", p.Line)
	}
	if p.Field != "" {
		fmt.Fprintf(&s, "%s: ", p.Field)
	}
	return s.String() + p.Message
}

// Load reads a plan, fills in its defaults, validates it, and puts the strategy that auto chooses in its
// place. The error is one *Problem, or several
// joined, each with its line; the plan is only usable without an error.
func Load(r io.Reader) (Plan, error) {
	source, err := io.ReadAll(io.LimitReader(r, MaxSize+1))
	if err != nil {
		return Plan{}, fmt.Errorf("read plan: %w", err)
	}
	if len(source) > MaxSize {
		return Plan{}, &Problem{Message: fmt.Sprintf("the plan is larger than %d KiB; is this the right file?", MaxSize>>10)}
	}
	file, err := parser.ParseBytes(source, 0)
	if err != nil {
		return Plan{}, problem(nil, err)
	}
	var p Plan
	if err := decode(source, file, &p); err != nil {
		return Plan{}, err
	}
	p.fill()
	problems := append(zeros(file), p.check()...)
	if p.Spec.Strategy.Auto != nil && len(problems) == 0 {
		p.resolve()
		problems = p.check()
	}
	return p, locate(file, problems)
}

// decode accepts exactly one document without unknown or duplicate fields.
func decode(source []byte, file *ast.File, p *Plan) error {
	d := yaml.NewDecoder(bytes.NewReader(source), yaml.Strict())
	if err := d.Decode(p); errors.Is(err, io.EOF) {
		return &Problem{Message: "the plan is empty"}
	} else if err != nil {
		return problem(file, err)
	}
	if len(file.Docs) > 1 {
		line := file.Docs[1].GetToken().Position.Line
		return &Problem{Line: line, Message: "a second document begins here; write one plan per file"}
	}
	return nil
}

// problem finds line and field of a decoder's error.
func problem(file *ast.File, err error) error {
	var y yaml.Error
	if !errors.As(err, &y) {
		return &Problem{Message: err.Error()}
	}
	p := &Problem{Message: plain(y.GetMessage())}
	if t := y.GetToken(); t != nil {
		p.Line, p.Field = t.Position.Line, fieldAt(file, t)
	}
	return p
}

// plain drops the names of Go types, which say nothing to the writer of a plan.
func plain(message string) string {
	before, after, ok := strings.Cut(message, " into Go ")
	if !ok {
		return message
	}
	kind := after[strings.LastIndex(after, " ")+1:]
	if strings.Contains(kind, ".") {
		kind = "mapping"
	}
	return strings.Replace(before, "cannot unmarshal", "cannot use a", 1) + " here; it wants a value of type " + kind
}

// seeker finds the path of the node that begins at a token.
type seeker struct {
	at   *token.Token
	path string
}

// Visit implements ast.Visitor.
func (s *seeker) Visit(n ast.Node) ast.Visitor {
	t := n.GetToken()
	if s.path == "" && t != nil && t.Position.Offset == s.at.Position.Offset && n.GetPath() != "$" {
		s.path = n.GetPath()
	}
	return s
}

func fieldAt(file *ast.File, t *token.Token) string {
	if file == nil || len(file.Docs) == 0 {
		return ""
	}
	s := &seeker{at: t}
	ast.Walk(s, file.Docs[0])
	return strings.TrimPrefix(s.path, "$.")
}

// zeros refuses a written 0 where leaving the field out would give a default: nobody's 0 may silently
// become a 100.
func zeros(file *ast.File) []*Problem {
	var z zeroFinder
	if len(file.Docs) > 0 && file.Docs[0].Body != nil {
		ast.Walk(&z, file.Docs[0].Body)
	}
	return z.found
}

type zeroFinder struct{ found []*Problem }

// Visit implements ast.Visitor.
func (z *zeroFinder) Visit(n ast.Node) ast.Visitor {
	i, ok := n.(*ast.IntegerNode)
	if !ok || text(i) != "0" {
		return z
	}
	field := strings.TrimPrefix(i.GetPath(), "$.")
	for _, of := range []string{".restarts.limit", ".oomKills.limit", ".flapping.limit"} {
		if strings.HasSuffix(field, of) {
			z.found = append(z.found, &Problem{Field: field, Message: "must be at least 1; to watch it without consequences write dryRun: true"})
		}
	}
	switch field[strings.LastIndex(field, ".")+1:] {
	case "for":
		if strings.Contains(field, ".rules[") {
			z.found = append(z.found, &Problem{Field: field, Message: "must be at least 1; to ask it without consequences write dryRun: true"})
		}
	case "quorum", "minRequests", "maxQueue", "failures":
		z.found = append(z.found, &Problem{Field: field, Message: "must be at least 1; leave it out for the default"})
	case "percent":
		z.found = append(z.found, &Problem{Field: field, Message: "must be a whole percentage from 1 to 100; leave mirror out to copy nothing"})
	case "falseAlarms", "misses":
		z.found = append(z.found, &Problem{Field: field, Message: "must be from 0.1 to 20 percent; leave it out for the default"})
	}
	return z
}

// locate adds the lines to problems of validation. Where a field is missing, the line is the one of
// the nearest mapping above it that was written.
func locate(file *ast.File, problems []*Problem) error {
	errs := make([]error, 0, len(problems))
	for _, p := range problems {
		p.Line = lineOf(file, p.Field)
		errs = append(errs, p)
	}
	return errors.Join(errs...)
}

func lineOf(file *ast.File, field string) int {
	for ; field != ""; field = field[:max(strings.LastIndexAny(field, ".["), 0)] {
		path, err := yaml.PathString("$." + field)
		if err != nil {
			return 0
		}
		if n, err := path.FilterFile(file); err == nil && n != nil {
			return n.GetToken().Position.Line
		}
	}
	return 0
}
