// SPDX-License-Identifier: Apache-2.0

package rule

import (
	"math"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/operators"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
)

// arithmetic computes in floating point, whole numbers included: 5 / 2 is 2.5. What is no number is an error.
func arithmetic() []cel.EnvOption {
	var out []cel.EnvOption
	for _, op := range []struct {
		name, id string
		do       func(a, b float64) float64
	}{
		{operators.Add, "add", func(a, b float64) float64 { return a + b }},
		{operators.Subtract, "subtract", func(a, b float64) float64 { return a - b }},
		{operators.Multiply, "multiply", func(a, b float64) float64 { return a * b }},
		{operators.Divide, "divide", func(a, b float64) float64 { return a / b }},
	} {
		options := []cel.FunctionOpt{cel.SingletonBinaryBinding(func(a, b ref.Val) ref.Val {
			return computed(op.name, number(a), number(b), op.do)
		})}
		for _, left := range []*cel.Type{cel.DoubleType, cel.IntType} {
			for _, right := range []*cel.Type{cel.DoubleType, cel.IntType} {
				id := "slipway_" + op.id + "_" + left.String() + "_" + right.String()
				options = append(options, cel.Overload(id, []*cel.Type{left, right}, cel.DoubleType))
			}
		}
		out = append(out, cel.Function(op.name, options...))
	}
	return out
}

func computed(name string, a, b float64, do func(a, b float64) float64) ref.Val {
	if name == operators.Divide && b == 0 {
		return types.NewErr("it divides by zero; a > 3.0 * b asks the same as a / b > 3.0, and needs no division")
	}
	v := do(a, b)
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return types.NewErr("it computes what is no number")
	}
	return types.Double(v)
}

// number of a value that the type check let through.
func number(v ref.Val) float64 {
	switch v := v.(type) {
	case types.Double:
		return float64(v)
	case types.Int:
		return float64(v)
	}
	return math.NaN()
}
