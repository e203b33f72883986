/// Arithmetic on numbers that came from outside: what is beyond the type is its lowest or highest
/// value, and nothing traps. `Scripts/lint-arithmetic.sh` finds where it is forgotten.
extension FixedWidthInteger {
    @inlinable
    package func addingClamped(_ other: Self) -> Self {
        let (sum, overflow) = addingReportingOverflow(other)
        guard overflow else { return sum }
        return other < 0 ? .min : .max
    }

    @inlinable
    package func subtractingClamped(_ other: Self) -> Self {
        let (difference, overflow) = subtractingReportingOverflow(other)
        guard overflow else { return difference }
        return other < 0 ? .max : .min
    }

    @inlinable
    package func multipliedClamped(by other: Self) -> Self {
        let (product, overflow) = multipliedReportingOverflow(by: other)
        guard overflow else { return product }
        return (self < 0) == (other < 0) ? .max : .min
    }
}

extension Sequence where Element: FixedWidthInteger {
    /// The sum, at most the type's highest value.
    package var clampedSum: Element { reduce(0) { $0.addingClamped($1) } }
}

// Division that rounds down, also what is before 1970. Divisors are above 0.
extension SignedInteger {
    @inlinable
    package func floorDivided(by divisor: Self) -> Self {
        self / divisor - (self % divisor < 0 ? 1 : 0)
    }

    /// The remainder of that, 0 or above.
    @inlinable
    package func floorRemainder(by divisor: Self) -> Self {
        let remainder = self % divisor
        return remainder < 0 ? remainder + divisor : remainder
    }
}
