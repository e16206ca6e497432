"""Load for the crash test, and the proof afterwards that nothing was lost and nothing happened twice."""
