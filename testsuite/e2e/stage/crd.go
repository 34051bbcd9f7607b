// SPDX-License-Identifier: Apache-2.0

package stage

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/yaml"

	"github.com/slipwayhq/slipway/testsuite/sandbox"
)

// Istio are the definitions of a mesh that the sandbox does not run.
func Istio() sandbox.CRDs {
	return sandbox.CRDs{Module: "istio.io/api", Path: "kubernetes/customresourcedefinitions.gen.yaml"}
}

// Define installs CustomResourceDefinitions and returns when they are served.
func (s *Stage) Define(ctx context.Context, c sandbox.CRDs) error {
	dir := filepath.Join(s.Dir, "crds-"+filepath.Base(c.Module))
	if _, err := os.Stat(dir); err == nil {
		return nil
	}
	if err := c.Take(ctx, filepath.Join(s.Repository, "testsuite", "e2e"), dir); err != nil {
		return err
	}
	files, err := filepath.Glob(filepath.Join(dir, "*.yaml"))
	if err != nil {
		return err
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			return fmt.Errorf("read CRD: %w", err)
		}
		o := &unstructured.Unstructured{}
		if err := yaml.Unmarshal(text, &o.Object); err != nil {
			return fmt.Errorf("read CRD %s: %w", file, err)
		}
		if o.GetKind() != "CustomResourceDefinition" {
			continue
		}
		if err := s.define(ctx, o); err != nil {
			return fmt.Errorf("define %s: %w", o.GetName(), err)
		}
	}
	return nil
}

func (s *Stage) define(ctx context.Context, o *unstructured.Unstructured) error {
	all := s.Objects.Resource(schema.GroupVersionResource{Group: "apiextensions.k8s.io", Version: "v1", Resource: "customresourcedefinitions"})
	if _, err := all.Create(ctx, o, metav1.CreateOptions{}); err != nil && !apierrors.IsAlreadyExists(err) {
		return err
	}
	return Await(ctx, func(ctx context.Context) error {
		now, err := all.Get(ctx, o.GetName(), metav1.GetOptions{})
		if err != nil {
			return err
		}
		conditions, _, _ := unstructured.NestedSlice(now.Object, "status", "conditions")
		for _, c := range conditions {
			if m, ok := c.(map[string]any); ok && m["type"] == "Established" && m["status"] == "True" {
				return nil
			}
		}
		return errors.New("is not served yet")
	})
}
