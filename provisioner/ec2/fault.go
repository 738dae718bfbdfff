package ec2

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/aws/smithy-go"

	"bobine/provisioner"
)

// words are what EC2's error codes come to. Codes that begin so belong to it:
// https://docs.aws.amazon.com/AWSEC2/latest/APIReference/errors-overview.html
// What is not here (internal errors, timeouts) says nothing about what was
// done.
var words = []struct {
	word  error
	do    string
	codes []string
}{
	{provisioner.ErrThrottled, "", []string{
		"RequestLimitExceeded", "Throttling", "EC2ThrottledException", "RequestThrottled", "TooManyRequests", "PriorRequestNotComplete",
	}},
	{provisioner.ErrTokenUsed, "", []string{"IdempotentParameterMismatch"}},
	{provisioner.ErrQuota, "ask AWS for a higher quota (Service Quotas, Amazon EC2)", []string{
		"MaxSpotInstanceCountExceeded", "SpotInstanceCountExceeded", "VcpuLimitExceeded", "InstanceLimitExceeded", "MaxFleetCountExceeded",
		"VolumeLimitExceeded", "MaxIOPSLimitExceeded", "VolumeIOPSLimit",
	}},
	{provisioner.ErrDenied, "allow the action to the farm's role", []string{"UnauthorizedOperation", "AccessDenied", "Client.UnauthorizedOperation"}},
	{provisioner.ErrDenied, "look at the credentials, and at the clock", []string{
		"AuthFailure", "InvalidClientTokenId", "ExpiredToken", "RequestExpired", "SignatureDoesNotMatch", "MissingAuthenticationToken", "UnrecognizedClient",
	}},
	{provisioner.ErrDenied, "take its protection off", []string{"OperationNotPermitted"}},
	{provisioner.ErrDenied, "look at the account with AWS", []string{"OptInRequired", "PendingVerification", "Blocked"}},
	{provisioner.ErrDenied, "mend the launch template or the configuration", []string{
		"InvalidLaunchTemplate", "InvalidAMIID", "InvalidSubnet", "InvalidGroup", "InvalidSecurityGroup", "InvalidInstanceType", "InvalidParameter",
		"InvalidFleet", "InvalidTarget", "InvalidTag", "InvalidBlockDevice", "InvalidKMSKey", "InvalidIamInstanceProfile", "InvalidSpot",
		"MissingParameter", "UnknownParameter", "ValidationError", "UnsupportedOperation",
	}},
	{provisioner.ErrNoCapacity, "", []string{
		"InsufficientInstanceCapacity", "InsufficientCapacity", "InsufficientHostCapacity", "InsufficientReservedInstanceCapacity",
		"UnfulfillableCapacity", "Unsupported", "ReservationCapacityExceeded", "SpotMaxPriceTooLow", "InsufficientFreeAddressesInSubnet",
	}},
}

// fault gives the error of a call the word it stands for, if there is one.
func fault(err error) error {
	var api smithy.APIError
	if !errors.As(err, &api) {
		return err
	}
	if told := complaint(api.ErrorCode(), api.ErrorMessage()); told != nil {
		return told
	}
	return err
}

// complaint is the word for a code of EC2's, with EC2's reason and what to do;
// nil: there is none.
func complaint(code, message string) error {
	for _, w := range words {
		if !slices.ContainsFunc(w.codes, func(c string) bool { return strings.HasPrefix(code, c) }) {
			continue
		}
		if w.do == "" {
			return fmt.Errorf("%w: %s: %s", w.word, code, brief(message))
		}
		return fmt.Errorf("%w: %s: %s: %s", w.word, code, brief(message), w.do)
	}
	return nil
}

// brief cuts the encoded authorization failure, a thousand characters long,
// off a message.
func brief(message string) string {
	message, _, _ = strings.Cut(message, " Encoded authorization failure message")
	if len(message) > 300 {
		message = strings.ToValidUTF8(message[:300], "") + "…"
	}
	return strings.TrimRight(message, ". ")
}

// code is EC2's own word for an error; "": there is none.
func code(err error) string {
	var api smithy.APIError
	if errors.As(err, &api) {
		return api.ErrorCode()
	}
	return ""
}
