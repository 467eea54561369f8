// exp and the activations on one vector. Included once per instruction set, inside its namespace,
// by kernels/{arm,x86}_*.hpp; on its own it is empty.
#if defined(VITRAIL_KERNEL)

/// e^x to 1 ulp or two between -87 and 88, and the value at the nearer end beyond. With n =
/// round(x / ln 2): e^x = 2^n e^(x - n ln 2), and a polynomial for the rest (Cephes, S. Moshier).
VITRAIL_KERNEL_INLINE Floats exponential(Floats x) {
  x = smaller(larger(x, broadcast(-87.3F)), broadcast(88.0F));
  const Floats n = nearest(multiply(x, broadcast(1.44269504F)));
  Floats r = negative_multiply_add(n, broadcast(0.693359375F), x);
  r = negative_multiply_add(n, broadcast(-2.12194440e-4F), r);
  Floats p = broadcast(1.9875691500e-4F);
  p = multiply_add(p, r, broadcast(1.3981999507e-3F));
  p = multiply_add(p, r, broadcast(8.3334519073e-3F));
  p = multiply_add(p, r, broadcast(4.1665795894e-2F));
  p = multiply_add(p, r, broadcast(1.6666665459e-1F));
  p = multiply_add(p, r, broadcast(5.0000001201e-1F));
  p = multiply_add(multiply(r, r), p, add(r, broadcast(1.0F)));
  return times_power_of_two(p, n);
}

/// 2^x to 1e-7 of it for x up to 127, and 2^-126 below -126. The polynomial is a minimax fit of the
/// relative error for |r| <= 1/2.
VITRAIL_KERNEL_INLINE Floats power_of_two(Floats x) {
  x = larger(x, broadcast(-126.0F));
  const Floats n = nearest(x);
  const Floats r = subtract(x, n);
  Floats p = broadcast(1.535336196e-4F);
  p = multiply_add(p, r, broadcast(1.339887502e-3F));
  p = multiply_add(p, r, broadcast(9.618436918e-3F));
  p = multiply_add(p, r, broadcast(5.550332367e-2F));
  p = multiply_add(p, r, broadcast(2.402264774e-1F));
  p = multiply_add(p, r, broadcast(6.931471825e-1F));
  p = multiply_add(p, r, broadcast(1.0F));
  return times_power_of_two(p, n);
}

/// x / (1 + e^(-steepness x))
VITRAIL_KERNEL_INLINE Floats gated(Floats x, float steepness) {
  const Floats e = exponential(multiply(x, broadcast(-steepness)));
  return divide(x, add(e, broadcast(1.0F)));
}

/// tanh x = x (1 - 2/(e^2x + 1)) / x, by a polynomial (Cephes) where the difference would cancel.
VITRAIL_KERNEL_INLINE Floats hyperbolic_tangent(Floats x) {
  const Floats e = exponential(add(x, x));
  const Floats far = subtract(broadcast(1.0F), divide(broadcast(2.0F), add(e, broadcast(1.0F))));
  const Floats w = multiply(x, x);
  Floats p = broadcast(-5.70498872745e-3F);
  p = multiply_add(p, w, broadcast(2.06390887954e-2F));
  p = multiply_add(p, w, broadcast(-5.37397155531e-2F));
  p = multiply_add(p, w, broadcast(1.33314422036e-1F));
  p = multiply_add(p, w, broadcast(-3.33332819422e-1F));
  p = multiply_add(multiply(p, w), x, x);
  return where_less(magnitude(x), broadcast(0.625F), p, far);
}

#if !defined(VITRAIL_KERNEL_GELU)  // where no better way is at hand
/// x Phi(x), Phi the normal distribution, to 5e-7 absolute: Phi(x) = 1/2 + x P(x^2) up to |x|
/// = 5.5, where it has reached 0 or 1 to within f32. P is a least-squares fit in t = 2 x^2 / 5.5^2
/// - 1, weighted by |x|^2; at the ends it gives exactly 0 and 1.
VITRAIL_KERNEL_INLINE Floats gelu(Floats x) {
  const Floats c = smaller(larger(x, broadcast(-5.5F)), broadcast(5.5F));
  const Floats t = multiply_add(multiply(c, c), broadcast(0.0661157F), broadcast(-1.0F));
  Floats p = broadcast(-1.881398639e-04F);
  p = multiply_add(p, t, broadcast(6.048899959e-04F));
  p = multiply_add(p, t, broadcast(-6.940921885e-04F));
  p = multiply_add(p, t, broadcast(8.069160976e-04F));
  p = multiply_add(p, t, broadcast(-2.196034882e-03F));
  p = multiply_add(p, t, broadcast(4.511919804e-03F));
  p = multiply_add(p, t, broadcast(-6.970611401e-03F));
  p = multiply_add(p, t, broadcast(1.029594243e-02F));
  p = multiply_add(p, t, broadcast(-1.494542882e-02F));
  p = multiply_add(p, t, broadcast(2.034319378e-02F));
  p = multiply_add(p, t, broadcast(-2.605784684e-02F));
  p = multiply_add(p, t, broadcast(3.207340091e-02F));
  p = multiply_add(p, t, broadcast(-3.879205137e-02F));
  p = multiply_add(p, t, broadcast(4.773745686e-02F));
  p = multiply_add(p, t, broadcast(-6.417235732e-02F));
  p = multiply_add(p, t, broadcast(1.285519451e-01F));
  const Floats phi = larger(multiply_add(c, p, broadcast(0.5F)), broadcast(0.0F));
  return multiply(x, phi);
}
#endif

/// x (1 + tanh u) / 2 = x / (1 + e^(-2u)), u = sqrt(2/pi) (x + 0.044715 x^3)
VITRAIL_KERNEL_INLINE Floats gelu_by_tanh(Floats x) {
  const Floats w = multiply_add(multiply(x, x), broadcast(0.044715F), broadcast(1.0F));
  const Floats e = exponential(multiply(multiply(x, broadcast(-1.5957691216F)), w));
  return divide(x, add(e, broadcast(1.0F)));
}

VITRAIL_KERNEL_INLINE Floats activated(Activation kind, Floats x) {
  switch (kind) {
    case Activation::none: break;
    case Activation::gelu_erf: return gelu(x);
    case Activation::gelu_tanh: return gelu_by_tanh(x);
    case Activation::quick_gelu: return gated(x, 1.702F);
    case Activation::silu: return gated(x, 1.0F);
    case Activation::relu: return larger(x, broadcast(0.0F));
    case Activation::tanh: return hyperbolic_tangent(x);
  }
  return x;
}

#endif  // VITRAIL_KERNEL
