// Package action writes and reads the messages of cloudstate.action.ActionProtocol.
// An action has no key, no state and no instance, so there is no machine here.
package action
