// SPDX-License-Identifier: Apache-2.0

package s3

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/minio/minio-go/v7/pkg/credentials"
)

// keys are found where every tool for S3 finds them: in the environment; by the token of a service account; in the
// file of credentials; from the role of the container or of the machine.
func keys() (*credentials.Credentials, error) {
	role := &credentials.IAM{}
	switch {
	case os.Getenv("AWS_ACCESS_KEY_ID") != "" && os.Getenv("AWS_SECRET_ACCESS_KEY") == "":
		return nil, errors.New("AWS_ACCESS_KEY_ID is set, AWS_SECRET_ACCESS_KEY is not; set both, or none to be given a role")
	case os.Getenv("AWS_ACCESS_KEY_ID") != "":
		return credentials.NewEnvAWS(), nil
	case os.Getenv("AWS_WEB_IDENTITY_TOKEN_FILE") != "":
		role.Endpoint = os.Getenv("AWS_ENDPOINT_URL_STS")
		return credentials.New(finder{role, "by the token in AWS_WEB_IDENTITY_TOKEN_FILE"}), nil
	case exists(file()):
		return credentials.New(finder{&credentials.FileAWSCredentials{Filename: file(), Profile: os.Getenv("AWS_PROFILE")}, "in " + file()}), nil
	}
	return credentials.New(finder{role, "of a role; set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or give the worker one"}), nil
}

func file() string {
	home, _ := os.UserHomeDir() // without one there is no file in it
	return cmp.Or(os.Getenv("AWS_SHARED_CREDENTIALS_FILE"), filepath.Join(home, ".aws", "credentials"))
}

func exists(file string) bool {
	_, err := os.Stat(file)
	return !errors.Is(err, os.ErrNotExist)
}

// errNoKeys is that nothing was asked of the store, for want of credentials.
var errNoKeys = errors.New("there are no credentials")

// finder says where credentials were looked for that were not found.
type finder struct {
	credentials.Provider
	where string
}

// RetrieveWithCredContext implements credentials.Provider.
func (f finder) RetrieveWithCredContext(c *credentials.CredContext) (credentials.Value, error) {
	v, err := f.Provider.RetrieveWithCredContext(c)
	if err != nil {
		return v, fmt.Errorf("%w %s: %w", errNoKeys, f.where, err)
	}
	return v, nil
}
