/// Where in the sources something is said.
struct SourcePlace: Hashable, Sendable, CustomStringConvertible {
    let fileID: String
    let line: Int

    var description: String { "\(fileID):\(line)" }
}

/// A promise that was not kept; it ends its case.
struct ExpectationFailure: Error, CustomStringConvertible {
    let message: String
    let place: SourcePlace

    var description: String { "\(place): \(message)" }
}

/// Ends the case when the condition does not hold; `message` says what was found instead.
func expect(
    _ condition: Bool, _ message: @autoclosure () -> String, fileID: StaticString = #fileID,
    line: Int = #line
) throws(ExpectationFailure) {
    guard !condition else { return }
    throw ExpectationFailure(
        message: message(), place: SourcePlace(fileID: "\(fileID)", line: line))
}

/// Ends the case when two values differ; `what` names them.
func expectEqual<Value: Equatable>(
    _ found: Value, _ expected: Value, _ what: @autoclosure () -> String,
    fileID: StaticString = #fileID, line: Int = #line
) throws(ExpectationFailure) {
    try expect(
        found == expected, "\(what()): \(found), expected \(expected)", fileID: fileID, line: line)
}

/// The value of an optional that must have one; `what` names it.
func require<Value>(
    _ value: Value?, _ what: @autoclosure () -> String, fileID: StaticString = #fileID,
    line: Int = #line
) throws(ExpectationFailure) -> Value {
    guard let value else {
        throw ExpectationFailure(
            message: "there is no \(what())", place: SourcePlace(fileID: "\(fileID)", line: line))
    }
    return value
}

/// Ends the case when `body` does not fail; returns its error for a closer look.
@discardableResult
func expectFailure<Failure: Error>(
    _ what: @autoclosure () -> String, fileID: StaticString = #fileID, line: Int = #line,
    _ body: () throws(Failure) -> Void
) throws(ExpectationFailure) -> Failure {
    do throws(Failure) { try body() } catch { return error }
    throw ExpectationFailure(
        message: "did not fail: \(what())", place: SourcePlace(fileID: "\(fileID)", line: line))
}
