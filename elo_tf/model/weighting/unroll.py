"""λ by gradient through several steps: how a term changes held-out clips by way of later steps.

J(θ_K)     after K steps θ_{k+1} = θ_k - η P Σ λ_i ∇L_i
dJ/dλ_i = -η <p, P ∇L_i>,      p = Σ_{k<K} (1 - η H P)^k v,     v = ∇J,  H the Hessian of Σ λ_i L_i

Truncated back-propagation through the steps (Shaban et al., Truncated Back-propagation for Bilevel Optimization, 2019),
with v, H and P of the first step for those of all. It is then K terms of the Neumann series by which implicit
differentiation inverts the Hessian (Lorraine, Vicol and Duvenaud, Optimizing Millions of Hyperparameters by Implicit
Differentiation, 2020, Alg. 3). η P is the optimiser's own step. Nothing is trained ahead, and the clips of the step are
all that it needs: each term of the series costs a backward pass and one back through it.

H joins the towers: a term that teaches a teacher has a slope where distillation follows that teacher.
"""

from elo_tf.model.weighting.look_ahead import LookAhead

STEPS = 3  # K


class Unroll(LookAhead, known_as="unroll"):
    """Looks `STEPS` steps ahead, in all towers. See `Weighting` for the arguments."""

    second_order = True

    def _seen_from_here(self, outer, lambdas, gradients):
        series, term, rate = outer, outer, gradients.rate()
        for _ in range(STEPS - 1):
            bent = gradients.curvature(lambdas, gradients.step_of(term))
            term = [part - rate * other for part, other in zip(term, bent)]
            series = [whole + part for whole, part in zip(series, term)]
        return series
