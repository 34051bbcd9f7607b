// SPDX-License-Identifier: Apache-2.0

package policy_test

import (
	"os"
	"path/filepath"
	"regexp"
	"testing"

	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	"sigs.k8s.io/yaml"
)

func TestEveryImageThatTheDeploymentsNameCanBeBuilt(t *testing.T) {
	dockerfile, err := os.ReadFile("../../deploy/Dockerfile")
	require.NoError(t, err)
	stages := map[string]bool{}
	for _, stage := range regexp.MustCompile(`(?m)^FROM scratch AS (\S+)$`).FindAllStringSubmatch(string(dockerfile), -1) {
		stages[stage[1]] = true
	}
	named := map[string]bool{}
	files, err := filepath.Glob("../../deploy/*/*.yaml")
	require.NoError(t, err)
	for _, file := range files {
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		var d appsv1.Deployment
		require.NoError(t, yaml.Unmarshal(text, &d), file)
		if d.Kind != "Deployment" {
			continue
		}
		pod := d.Spec.Template.Spec
		for _, c := range pod.Containers {
			named[c.Image] = true
			require.Empty(t, c.Command, "%s: the image says which program it runs", file)
		}
		require.EqualValues(t, 65532, *pod.SecurityContext.RunAsUser, "%s: as the Dockerfile says", file)
	}
	require.Equal(t, stages, named)
}
