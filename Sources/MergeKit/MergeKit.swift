// MergeKit
