// SPDX-License-Identifier: Apache-2.0

package policy_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	"sigs.k8s.io/yaml"
)

func TestTheServersDeploymentHasNoRightInTheCluster(t *testing.T) {
	files, err := filepath.Glob("../../deploy/server/*.yaml")
	require.NoError(t, err)
	require.NotEmpty(t, files)
	for _, file := range files {
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		for _, kind := range regexp.MustCompile(`(?m)^kind: (\w+)$`).FindAllStringSubmatch(string(text), -1) {
			require.Contains(t, []string{"Kustomization", "ServiceAccount", "Deployment", "Service"}, kind[1], file)
		}
	}
	text, err := os.ReadFile("../../deploy/server/server.yaml")
	require.NoError(t, err)
	var d appsv1.Deployment
	require.NoError(t, yaml.UnmarshalStrict(text, &d))
	pod := d.Spec.Template.Spec
	require.Equal(t, "slipway-server", pod.ServiceAccountName)
	require.False(t, *pod.AutomountServiceAccountToken)
	for _, m := range pod.Containers[0].VolumeMounts {
		require.True(t, m.ReadOnly, m.Name)
	}
}

func TestTheDeploymentsSetVariablesThatThereAre(t *testing.T) {
	for file, config := range map[string][2]string{
		"../../deploy/base/kustomization.yaml":   {"../../worker/config.go", "config"},
		"../../deploy/server/kustomization.yaml": {"../../starter/server/config.go", "Config"},
	} {
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		known := strings.Join(variables(t, config[0], config[1]), "")
		set := regexp.MustCompile(`- (SLIPWAY_\w+)=`).FindAllStringSubmatch(string(text), -1)
		require.NotEmpty(t, set, file)
		for _, name := range set {
			require.Contains(t, known, "`"+name[1]+"`", file)
		}
	}
}
