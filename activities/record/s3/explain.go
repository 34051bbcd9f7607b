// SPDX-License-Identifier: Apache-2.0

package s3

import (
	"context"
	"errors"
	"fmt"

	"github.com/minio/minio-go/v7"
)

// explain says what an answer of the store means, and what to do.
func (b *Bucket) explain(err error) error {
	if err == nil {
		return nil
	}
	if errors.Is(err, errNoKeys) {
		return err
	}
	if errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf("%s does not answer in time: %w", b.address, err)
	}
	answer := minio.ToErrorResponse(err)
	switch answer.Code {
	case "":
		return fmt.Errorf("%s does not answer: %w", b.address, err)
	case minio.NoSuchBucket:
		return fmt.Errorf("there is no bucket %s at %s; make it, or correct its name", b.name, b.address)
	case minio.AccessDenied:
		return fmt.Errorf("the credentials have no right to it: %w; a worker needs s3:PutObject on %s/*, a reader s3:ListBucket and s3:GetObject", err, b)
	case "InvalidAccessKeyId", "SignatureDoesNotMatch", "InvalidToken", "InvalidClientTokenId":
		return fmt.Errorf("the store refuses the credentials: %w; correct the key and its secret", err)
	case "ExpiredToken", "ExpiredTokenException":
		return fmt.Errorf("the credentials have expired: %w; give new ones, or a role", err)
	case "RequestTimeTooSkewed":
		return fmt.Errorf("the clocks of this machine and of the store are too far apart for its signatures: %w; set them right", err)
	case "PermanentRedirect", "AuthorizationHeaderMalformed", minio.InvalidRegion, "IllegalLocationConstraintException":
		if answer.Region != "" {
			return fmt.Errorf("bucket %s is in the region %s: %w; set AWS_REGION to it", b.name, answer.Region, err)
		}
		return fmt.Errorf("bucket %s is in another region: %w; set AWS_REGION to it", b.name, err)
	}
	return fmt.Errorf("%s answers %d %s: %w", b.address, answer.StatusCode, answer.Code, err)
}
