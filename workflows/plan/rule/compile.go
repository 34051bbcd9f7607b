// SPDX-License-Identifier: Apache-2.0

package rule

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/cost"
	"cel.dev/cel-go/common/env"
	"cel.dev/cel-go/common/operators"
)

const (
	// MaxLength of a condition, in bytes.
	MaxLength = 1000
	// MaxCost of a condition, as CEL counts: about one for each name and each operator.
	MaxCost = 100
)

// Rule is a condition that can be asked.
type Rule struct {
	program cel.Program
	// uses are the names in it, in the order of the text, each once.
	uses []string
}

// Compile reads a condition. An error says what is wrong, where, and what to write instead.
func Compile(text string) (*Rule, error) {
	switch {
	case strings.TrimSpace(text) == "":
		return nil, errors.New("must not be empty; write a condition such as candidate.failedShare > 3.0 * stable.failedShare")
	case len(text) > MaxLength:
		return nil, fmt.Errorf("must be at most %d characters", MaxLength)
	}
	e, err := language()
	if err != nil {
		return nil, fmt.Errorf("prepare CEL: %w", err)
	}
	tree, issues := e.Compile(text)
	if issues.Err() != nil {
		return nil, complaint(issues)
	}
	if !tree.OutputType().IsExactType(cel.BoolType) {
		return nil, fmt.Errorf("must give true or false, not %s: compare it with something, such as candidate.failed > 20", tree.OutputType())
	}
	estimate, err := e.EstimateCost(tree, sizes{})
	if err != nil {
		return nil, fmt.Errorf("estimate the cost: %w", err)
	}
	if estimate.Max > MaxCost {
		return nil, fmt.Errorf("costs %d, and the limit is %d: about one for each name and operator; write two rules", estimate.Max, MaxCost)
	}
	r := &Rule{uses: used(tree.NativeRep())}
	if len(r.uses) == 0 {
		return nil, fmt.Errorf("is always the same: use one of the names %s", known())
	}
	if r.program, err = e.Program(tree, cel.CostLimit(MaxCost)); err != nil {
		return nil, fmt.Errorf("prepare: %w", err)
	}
	return r, nil
}

// language is what a condition can say.
func language() (*cel.Env, error) {
	options := []cel.EnvOption{
		cel.StdLib(cel.StdLibSubset(&env.LibrarySubset{DisableMacros: true, IncludeFunctions: kept()})),
		cel.CrossTypeNumericComparisons(true),
	}
	for _, n := range Names() {
		options = append(options, cel.Variable(n.Name, cel.DoubleType))
	}
	return cel.NewCustomEnv(append(options, arithmetic()...)...)
}

// kept are CEL's own functions; arithmetic is not among them, since it is blind to a division by zero.
func kept() []*env.Function {
	var out []*env.Function
	for _, name := range []string{
		operators.Conditional, operators.LogicalAnd, operators.LogicalOr, operators.LogicalNot, operators.Negate,
		operators.Equals, operators.NotEquals, operators.Less, operators.LessEquals, operators.Greater, operators.GreaterEquals,
	} {
		out = append(out, env.NewFunction(name))
	}
	return out
}

// complaint is the first of CEL's, with its place.
func complaint(issues *cel.Issues) error {
	first := issues.Errors()[0]
	at := fmt.Sprintf("at character %d", first.Location.Column()+1)
	if first.Location.Line() > 1 {
		at = fmt.Sprintf("at line %d, character %d of it", first.Location.Line(), first.Location.Column()+1)
	}
	message := strings.TrimSpace(strings.TrimPrefix(first.Message, "Syntax error: "))
	help := ""
	switch {
	case strings.HasPrefix(message, "undeclared reference"):
		message = strings.TrimSuffix(message, " (in container '')")
		help = "; there are arithmetic, comparisons, &&, ||, ! and ?:, and the names " + known()
	case strings.Contains(message, "(double, int)") || strings.Contains(message, "(int, double)"):
		help = "; a number that is compared by == has a decimal point: 25.0"
	}
	return fmt.Errorf("is not a condition: %s, %s%s", message, at, help)
}

// used are the names in a tree, in the order of the text.
func used(tree *ast.AST) []string {
	type use struct {
		at   int32
		name string
	}
	var all []use
	for id, ref := range tree.ReferenceMap() {
		if ref.Name != "" && slices.ContainsFunc(Names(), func(n Name) bool { return n.Name == ref.Name }) {
			place, _ := tree.SourceInfo().GetOffsetRange(id)
			all = append(all, use{place.Start, ref.Name})
		}
	}
	slices.SortFunc(all, func(a, b use) int { return int(a.at) - int(b.at) })
	var out []string
	for _, u := range all {
		if !slices.Contains(out, u.name) {
			out = append(out, u.name)
		}
	}
	return out
}

// sizes tells CEL nothing that it does not know: all values are numbers.
type sizes struct{}

// EstimateSize implements cost.Estimator.
func (sizes) EstimateSize(cost.AstNode) *cost.SizeEstimate { return nil }

// EstimateCallCost implements cost.Estimator.
func (sizes) EstimateCallCost(_, _ string, _ *cost.AstNode, _ []cost.AstNode) *cost.CallEstimate {
	return nil
}
