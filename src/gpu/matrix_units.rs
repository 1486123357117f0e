//! The matrix units of an adapter, as far as its driver offers them and wgpu passes them on.

use std::fmt;
use wgpu::CooperativeScalarType::{F16, F32};

/// What can multiply matrices of f16 and sum them in f32.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MatrixUnits {
    /// Edges of the square matrices that a subgroup multiplies at once.
    pub edges: Vec<u32>,
    /// Threads in a subgroup, the least and the most.
    pub lanes: (u32, u32),
}

impl MatrixUnits {
    /// Of what an adapter lists, the square matrices of f16 with sums in f32. None where there are none: wgpu would compile
    /// others all the same, and drivers then crash or make empty programs.
    pub(super) fn among(listed: &[wgpu::CooperativeMatrixProperties], lanes: (u32, u32)) -> Option<Self> {
        let fits = |tuple: &&wgpu::CooperativeMatrixProperties| {
            (tuple.m_size, tuple.m_size) == (tuple.n_size, tuple.k_size)
                && (tuple.ab_type, tuple.cr_type) == (F16, F32)
                && !tuple.saturating_accumulation
        };
        let mut edges: Vec<u32> = listed.iter().filter(fits).map(|tuple| tuple.m_size).collect();
        edges.sort_unstable();
        edges.dedup();
        (!edges.is_empty()).then_some(MatrixUnits { edges, lanes })
    }
}

/// "f16 by 16 × 16, summed in f32, 32 to 64 threads"
impl fmt::Display for MatrixUnits {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        let edges: Vec<String> = self.edges.iter().map(|edge| format!("{edge} × {edge}")).collect();
        let lanes = match self.lanes {
            (least, most) if least == most => least.to_string(),
            (least, most) => format!("{least} to {most}"),
        };
        write!(f, "f16 by {}, summed in f32, {lanes} threads", edges.join(" and "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use wgpu::CooperativeScalarType;

    fn tuple(
        [m, n, k]: [u32; 3],
        ab: CooperativeScalarType,
        cr: CooperativeScalarType,
    ) -> wgpu::CooperativeMatrixProperties {
        wgpu::CooperativeMatrixProperties {
            m_size: m,
            n_size: n,
            k_size: k,
            ab_type: ab,
            cr_type: cr,
            saturating_accumulation: false,
        }
    }

    #[test]
    fn only_square_matrices_of_f16_with_sums_in_f32_are_taken() {
        let among = |listed: &[wgpu::CooperativeMatrixProperties]| MatrixUnits::among(listed, (32, 64));
        let saturating =
            wgpu::CooperativeMatrixProperties { saturating_accumulation: true, ..tuple([16; 3], F16, F32) };
        let others = [tuple([16; 3], F16, F16), tuple([8; 3], F32, F32), tuple([16, 8, 16], F16, F32), saturating];
        assert_eq!((among(&[]), among(&others)), (None, None));
        let both = [others[0], tuple([16; 3], F16, F32), tuple([8; 3], F16, F32), tuple([16; 3], F16, F32)];
        let units = among(&both).unwrap();
        assert_eq!((&units.edges[..], units.lanes), (&[8, 16][..], (32, 64)));
        assert_eq!(units.to_string(), "f16 by 8 × 8 and 16 × 16, summed in f32, 32 to 64 threads");
        let one = MatrixUnits { edges: vec![8], lanes: (8, 8) };
        assert_eq!(one.to_string(), "f16 by 8 × 8, summed in f32, 8 threads");
    }
}
